import { renew } from "./session.js";

// Whose session only ran out goes straight on; after a refused sign-in the page stays as it is.
if (!document.querySelector("[role=alert]")) {
  renew().then(
    () => location.replace("/"),
    () => {},
  );
}

// The session lives in cookies that scripts cannot read; these are its CSRF tokens, which they can.
const csrf = () => cookie("utxoracle_csrf");
const refreshCsrf = () => cookie("utxoracle_refresh_csrf");

function cookie(name) {
  const found = document.cookie.split("; ").find((each) => each.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}

export class SignedOut extends Error {}

// Ask our own API for JSON; renews the session once if it has run out. Throws SignedOut when that fails, and an
// Error with the problem's sentence for every other refusal.
export async function ask(path, options = {}) {
  const before = refreshCsrf();
  let answer = await send(path, options);
  if (answer.status === 401) {
    await renew(before);
    answer = await send(path, options);
  }
  if (answer.status === 401) throw new SignedOut();
  // Health says 503 with a body that is wanted.
  if (!answer.ok && !(answer.status === 503 && options.evenUnwell)) throw await refusal(answer);
  return answer.json();
}

export async function renew(before = refreshCsrf()) {
  // A refresh token used twice ends the session, so one tab renews and the others find it done.
  const once = async () => {
    if (refreshCsrf() !== before) return;
    if (!before) throw new SignedOut();
    const answer = await fetch("/api/auth/refresh", { method: "POST", headers: { "X-CSRF-TOKEN": before } });
    if (answer.status === 401 || answer.status === 403) throw new SignedOut();
    if (!answer.ok) throw await refusal(answer);
  };
  await (navigator.locks ? navigator.locks.request("utxoracle-session", once) : once());
}

export async function signOut() {
  await ask("/api/auth/logout", { method: "POST" });
}

function send(path, { method = "GET" }) {
  const headers = method === "GET" ? {} : { "X-CSRF-TOKEN": csrf() };
  return fetch(path, { method, headers, cache: "no-cache" });
}

async function refusal(answer) {
  const problem = await answer.json().catch(() => ({}));
  const error = new Error(problem.detail ?? `The appliance answered ${answer.status}.`);
  error.code = problem.code;
  return error;
}

// The session lives in cookies that scripts cannot read; these are its CSRF tokens, which they can.
const csrf = () => cookie("utxoracle_csrf");
const refreshCsrf = () => cookie("utxoracle_refresh_csrf");

// A page that is left lets go of its lock while its renewal goes on. So that neither the next page nor another tab uses
// the same token, this cookie says which is being used, for as long as the answer may take.
const RENEWING = "utxoracle_renewing";
const ANSWER_SECONDS = 30;
const LOOK_MS = 50;
const markOf = (token) => token.slice(0, 8);
const isRenewing = (token) => token !== "" && cookie(RENEWING) === markOf(token);

function setRenewing(token, seconds) {
  document.cookie = `${RENEWING}=${markOf(token)}; max-age=${seconds}; path=/; samesite=strict`;
}

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
    while (isRenewing(before) && refreshCsrf() === before) await new Promise((wake) => setTimeout(wake, LOOK_MS));
    if (refreshCsrf() !== before) return;
    if (!before) throw new SignedOut();
    setRenewing(before, ANSWER_SECONDS);
    // A page that is left must not break it off: the token would be used up, and the cookies of the answer lost.
    const options = { method: "POST", headers: { "X-CSRF-TOKEN": before }, keepalive: true };
    const answer = await fetch("/api/auth/refresh", options).finally(() => setRenewing(before, 0));
    if (answer.ok) return;
    if (answer.status !== 401 && answer.status !== 403) throw await refusal(answer);
    // Unless the cookies of another renewal came between the header and the token.
    if (refreshCsrf() === before) throw new SignedOut();
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

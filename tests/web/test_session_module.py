"""Sessions in the browser: renewed once, whatever becomes of the page that renews."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.javascript import evaluate

# A browser's cookies, and an appliance that notes what it is asked and gives a token with every renewal.
BROWSER = """
const cookies = { utxoracle_refresh_csrf: "first-token" };
const asked = [];
const renewed = (token) => { cookies.utxoracle_refresh_csrf = token; };
const answers = (status, before = () => {}) => async (path, options) => {
  asked.push([path, options.method, options.headers["X-CSRF-TOKEN"] ?? null, options.keepalive ?? false]);
  await before();
  return { status, ok: status < 300, json: async () => ({ detail: "away" }) };
};
globalThis.document = {
  get cookie() { return Object.entries(cookies).map(([name, value]) => `${name}=${value}`).join("; "); },
  set cookie(line) {
    const [pair, ...attributes] = line.split("; ");
    const [name, value] = pair.split("=");
    if (attributes.includes("max-age=0")) delete cookies[name];
    else cookies[name] = value;
  },
};
const withoutLocks = () => Object.defineProperty(globalThis, "navigator", { value: {} });
const outcome = (promise) => promise.then(() => "renewed", (error) => error.constructor.name);
"""
REFRESH = ["/api/auth/refresh", "POST", "first-token", True]


def played(scene: str) -> Any:  # noqa: ANN401 - JSON
    """Return what `scene` returns, which happens in such a browser."""
    return evaluate(f"(async () => {{ {BROWSER} {scene} }})()", **{"session.js": "ask, renew"})


def test_a_renewal_outlives_the_page_that_began_it() -> None:
    found = played("""
        globalThis.fetch = answers(200, () => renewed("second-token"));
        return [await outcome(renew()), asked, Object.keys(cookies)];
    """)
    assert found == ["renewed", [REFRESH], ["utxoracle_refresh_csrf"]]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_renewal_is_none_unless_another_one_arrived_meanwhile(status: int) -> None:
    found = played(f"""
        globalThis.fetch = answers({status});
        const alone = await outcome(renew());
        globalThis.fetch = answers({status}, () => renewed("second-token"));
        return [alone, await outcome(renew()), asked.length];
    """)
    assert found == ["SignedOut", "renewed", 2]


def test_a_token_that_a_page_used_before_it_was_left_is_not_used_again() -> None:
    # The lock ends with the page, here at once, and its answer comes later.
    found = played("""
        withoutLocks();
        let answer;
        globalThis.fetch = answers(200, () => new Promise((arrives) => { answer = arrives; }));
        renew();
        const next = outcome(renew());
        await new Promise((wake) => setTimeout(wake, 150));
        const askedBefore = asked.length;
        renewed("second-token");
        const told = await next;
        const once = asked.length;
        globalThis.fetch = answers(200, () => renewed("third-token"));
        return [askedBefore, told, once, await outcome(renew()), asked.at(-1)[2]];
    """)
    assert found == [1, "renewed", 1, "renewed", "second-token"]


def test_a_renewal_that_is_never_answered_is_waited_for_until_its_cookie_is_gone() -> None:
    found = played("""
        withoutLocks();
        globalThis.fetch = answers(200, () => new Promise(() => {}));
        renew();
        globalThis.fetch = answers(200, () => renewed("second-token"));
        const next = outcome(renew());
        await new Promise((wake) => setTimeout(wake, 150));
        const askedBefore = asked.length;
        delete cookies.utxoracle_renewing;
        return [askedBefore, await next, asked.length];
    """)
    assert found == [1, "renewed", 2]


def test_an_appliance_that_is_away_ends_no_session_and_can_be_asked_again_at_once() -> None:
    found = played("""
        globalThis.fetch = answers(503);
        const away = await outcome(renew());
        globalThis.fetch = answers(200, () => renewed("second-token"));
        return [away, await outcome(renew())];
    """)
    assert found == ["Error", "renewed"]


def test_a_renewal_that_finds_no_way_leaves_nobody_waiting() -> None:
    found = played("""
        globalThis.fetch = async () => { throw new TypeError("no network"); };
        const away = await outcome(renew());
        globalThis.fetch = answers(200, () => renewed("second-token"));
        return [away, Object.keys(cookies), await outcome(renew())];
    """)
    assert found == ["TypeError", ["utxoracle_refresh_csrf"], "renewed"]


def test_who_never_signed_in_is_signed_out_at_once() -> None:
    found = played("""
        globalThis.fetch = answers(200);
        delete cookies.utxoracle_refresh_csrf;
        return [await outcome(renew()), asked];
    """)
    assert found == ["SignedOut", []]


# Browsers have locks on pages that came by TLS, or from the machine itself.
@pytest.mark.parametrize("locks", ["", "withoutLocks();"])
def test_what_was_refused_for_an_old_session_is_asked_again_once_it_is_renewed(locks: str) -> None:
    found = played(f"""
        {locks}
        globalThis.fetch = async (path, options) => {{
          const isRenewal = path.endsWith("/refresh");
          const status = isRenewal || cookies.utxoracle_refresh_csrf === "second-token" ? 200 : 401;
          const soon = async () => {{
            await new Promise((wake) => setTimeout(wake, 20));
            if (isRenewal) renewed("second-token");
          }};
          return answers(status, soon)(path, options);
        }};
        await Promise.all([ask("/one"), ask("/other")]);
        return asked.map(([path]) => path);
    """)
    assert sorted(found) == ["/api/auth/refresh", "/one", "/one", "/other", "/other"]

"""Who is let in: by the URL map, by every kind of token, and from wherever it comes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.fakes.web_application import PASSWORD, PREVIOUS_SECRET, WebApplication

# As the contract says; whatever is not here needs a token.
PUBLIC = {
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("POST", "/api/auth/login"),
    ("GET", "/login"),
    ("GET", "/static/<path:filename>"),
}
LATEST = "/api/prices/latest"


def routes(web: WebApplication) -> set[tuple[str, str]]:
    return {
        (method, rule.rule)
        for rule in web.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def signed_in(web: WebApplication) -> FlaskClient:
    """Return a browser that signed in with the form."""
    browser = web.client()
    answer = browser.post("/api/auth/login", data={"username": "watcher", "password": PASSWORD})
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return browser


def csrf(browser: FlaskClient, name: str = "utxoracle_csrf") -> dict[str, str]:
    cookie = browser.get_cookie(name)
    assert cookie is not None
    return {"X-CSRF-TOKEN": cookie.value}


def test_every_route_but_the_public_ones_refuses_a_stranger(web: WebApplication, client: FlaskClient) -> None:
    assert routes(web) >= PUBLIC
    refused = set()
    for method, rule in routes(web) - PUBLIC:
        answer = client.open(rule, method=method, buffered=True)
        if rule == "/":
            assert (answer.status_code, answer.location) == (303, "/login")
        else:
            assert answer.status_code == 401, (method, rule)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        refused.add((method, rule))
    assert ("GET", LATEST) in refused
    assert ("POST", "/api/auth/refresh") in refused


def test_a_route_that_nobody_thought_of_protecting_is_protected(web: WebApplication) -> None:
    web.app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    assert web.client().get("/forgotten").status_code == 401
    assert web.client().get("/forgotten", headers=web.bearer()).get_data() == b"secret"


@pytest.mark.parametrize("route", sorted(PUBLIC))
def test_public_routes_answer_a_stranger_and_one_with_a_bad_token_alike(
    client: FlaskClient, route: tuple[str, str]
) -> None:
    method, path = route[0], route[1].replace("<path:filename>", "appliance.css")
    stranger = client.open(path, method=method, buffered=True)
    assert stranger.status_code in {200, 415}
    known = client.open(path, method=method, headers={"Authorization": "Bearer x"}, buffered=True)
    assert known.status_code == stranger.status_code


def test_a_token_is_let_in(web: WebApplication, client: FlaskClient) -> None:
    web.keep()
    assert client.get(LATEST, headers=web.bearer()).status_code == 200


def test_a_token_of_the_key_before_the_rotation_is_let_in(web: WebApplication, client: FlaskClient) -> None:
    web.keep()
    assert client.get(LATEST, headers=web.bearer(secret=PREVIOUS_SECRET)).status_code == 200
    web.values["previous_secret"] = None
    rotated = WebApplication(web.database, values=web.values)
    assert rotated.client().get(LATEST, headers=web.bearer(secret=PREVIOUS_SECRET)).status_code == 401


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"secret": "somebody else's secret, and long enough"}, "UNAUTHENTICATED"),
        ({"lifetime": timedelta(seconds=-2)}, "TOKEN_EXPIRED"),
        ({"lifetime": timedelta(seconds=-2), "secret": PREVIOUS_SECRET}, "TOKEN_EXPIRED"),
        ({"type": "refresh"}, "UNAUTHENTICATED"),
        ({"purpose": "stream"}, "UNAUTHENTICATED"),
        ({"jti": None}, "UNAUTHENTICATED"),
        ({"sub": "nobody"}, "SESSION_ENDED"),
    ],
    ids=str,
)
def test_a_token_that_proves_nothing_is_refused(
    web: WebApplication, client: FlaskClient, claims: dict[str, Any], code: str
) -> None:
    answer = client.get(LATEST, headers=web.bearer(**claims))
    assert (answer.status_code, answer.get_json()["code"]) == (401, code)


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Bearer a b", "Bearer x", "Bearer ..", "Bearer \xff.\xff.\xff", "Basic YTpi", "bearer"],
)
def test_what_is_no_token_is_refused(client: FlaskClient, value: str) -> None:
    assert client.get(LATEST, headers={"Authorization": value}).status_code == 401


def test_an_unsigned_token_is_refused(web: WebApplication, client: FlaskClient) -> None:
    _, claims, _ = web.token().split(".")
    unsigned = f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}."
    assert client.get(LATEST, headers={"Authorization": f"Bearer {unsigned}"}).status_code == 401


def test_a_revoked_token_is_refused(web: WebApplication, client: FlaskClient) -> None:
    token = web.bearer(jti="stolen")
    web.keep()
    assert client.get(LATEST, headers=token).status_code == 200
    web.revoked.revoke("stolen", web.clock() + timedelta(hours=1))
    assert client.get(LATEST, headers=token).get_json()["code"] == "TOKEN_REVOKED"


def test_an_account_that_was_disabled_is_refused_at_once(web: WebApplication, client: FlaskClient) -> None:
    web.accounts.set_active("watcher", is_active=False)
    assert client.get(LATEST, headers=web.bearer()).get_json()["code"] == "SESSION_ENDED"


def test_a_cookie_reads_without_and_changes_only_with_its_csrf_token(web: WebApplication) -> None:
    web.keep()
    browser = signed_in(web)
    assert browser.get("/").status_code == 200
    assert browser.get(LATEST).status_code == 200
    for headers in (None, {"X-CSRF-TOKEN": "guessed"}, csrf(browser, "utxoracle_refresh_csrf")):
        refused = browser.post("/api/auth/logout", headers=headers)
        assert (refused.status_code, refused.get_json()["code"]) == (403, "CSRF_TOKEN_MISSING")
    assert browser.post("/api/auth/logout", headers=csrf(browser)).status_code == 200


def test_a_token_in_the_address_is_no_token(web: WebApplication, client: FlaskClient) -> None:
    assert client.get(LATEST, query_string={"jwt": web.token(), "token": web.token()}).status_code == 401

"""Sessions: signing in, staying so, leaving, and what a thief can do with half of one."""

from __future__ import annotations

import statistics
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient
from werkzeug.security import check_password_hash, generate_password_hash

from app.services.accounts import Account
from app.services.authentication import Authentication, SignInRefusedError
from app.services.tokens import TokenRefusedError, TokenVerifier
from tests.fakes.web_application import PASSWORD, PREVIOUS_SECRET, SECRET, WEAK_HASH, WebApplication

LATEST, LOGIN, REFRESH, LOGOUT = "/api/prices/latest", "/api/auth/login", "/api/auth/refresh", "/api/auth/logout"
RIGHT = {"username": "watcher", "password": PASSWORD}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def tokens(client: FlaskClient) -> dict[str, Any]:
    answer = client.post(LOGIN, json=RIGHT)
    assert answer.status_code == 200
    session: dict[str, Any] = answer.get_json()
    return session


def test_signing_in_gives_both_tokens_their_lifetimes_and_the_role(client: FlaskClient) -> None:
    session = tokens(client)
    assert (session["username"], session["role"], session["token_type"]) == ("watcher", "viewer", "Bearer")
    assert (session["expires_in"], session["refresh_expires_in"]) == (3600, 7 * 86_400)
    claims = jwt.decode(session["access_token"], SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["role"], claims["exp"] - claims["iat"]) == ("watcher", "viewer", 3600)
    assert client.get(LATEST, headers=bearer(session["access_token"])).get_json()["code"] == "NO_DATA"
    assert client.get_cookie("utxoracle_access") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "watcher", "password": "wrong"},
        {"username": "nobody", "password": PASSWORD},
        {"username": "Watcher", "password": PASSWORD},
        {"username": "watcher\x00", "password": PASSWORD},
        {"username": "' OR 1=1 --", "password": PASSWORD},
        {"username": "watcher", "password": PASSWORD + " "},
    ],
    ids=str,
)
def test_what_is_wrong_with_a_sign_in_is_not_said(client: FlaskClient, wrong: dict[str, str]) -> None:
    answer = client.post(LOGIN, json=wrong)
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (401, "BAD_CREDENTIALS")
    assert problem["detail"] == "Name and password do not match."


def test_an_account_that_is_disabled_cannot_sign_in_nor_renew(web: WebApplication, client: FlaskClient) -> None:
    session = tokens(client)
    web.accounts.set_active("watcher", is_active=False)
    assert client.post(LOGIN, json=RIGHT).get_json()["code"] == "BAD_CREDENTIALS"
    assert client.post(REFRESH, headers=bearer(session["refresh_token"])).status_code == 401


@pytest.mark.parametrize("change", ["password", "disabled and enabled"])
def test_a_changed_password_or_a_disabled_account_ends_its_sessions_for_good(
    web: WebApplication, client: FlaskClient, change: str
) -> None:
    session = tokens(client)
    if change == "password":
        web.accounts.set_password("watcher", WEAK_HASH("another password"))
    else:
        web.accounts.set_active("watcher", is_active=False)
        web.accounts.set_active("watcher", is_active=True)
    for answer in (
        client.get(LATEST, headers=bearer(session["access_token"])),
        client.post(REFRESH, headers=bearer(session["refresh_token"])),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (401, "SESSION_ENDED")
    password = "another password" if change == "password" else PASSWORD
    again = client.post(LOGIN, json=RIGHT | {"password": password}).get_json()
    assert client.get(LATEST, headers=bearer(again["access_token"])).status_code == 404


def test_a_browser_session_outlives_the_rotation_of_the_signing_key(web: WebApplication) -> None:
    web.values["secret"], web.values["previous_secret"] = PREVIOUS_SECRET, None
    before = WebApplication(web.database, values=web.values).client()
    assert before.post(LOGIN, data=RIGHT).status_code == 303
    after = WebApplication(web.database).client()
    for name, path in (("utxoracle_refresh", "/api/auth"), ("utxoracle_refresh_csrf", "/")):
        cookie = before.get_cookie(name, path=path)
        assert cookie is not None
        after.set_cookie(name, cookie.value, path=path)
    csrf = before.get_cookie("utxoracle_refresh_csrf")
    assert csrf is not None
    renewed = after.post(REFRESH, headers={"X-CSRF-TOKEN": csrf.value})
    assert (renewed.status_code, renewed.get_json()["access_token"]) == (200, None)
    assert after.get(LATEST).status_code == 404


def test_the_sixth_sign_in_of_a_minute_has_to_wait(web: WebApplication, client: FlaskClient) -> None:
    for _ in range(5):
        assert client.post(LOGIN, json=RIGHT | {"password": "wrong"}).status_code == 401
    limited = client.post(LOGIN, json=RIGHT)
    assert (limited.status_code, limited.get_json()["code"]) == (429, "RATE_LIMITED")
    assert 1 <= int(limited.headers["Retry-After"]) <= 61
    assert limited.headers["RateLimit-Limit"] == "5"
    assert limited.headers["RateLimit-Remaining"] == "0"
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    assert client.post(LOGIN, json=RIGHT, headers=elsewhere).status_code == 200
    assert client.get("/api/prices/comparison", headers=web.bearer()).status_code == 200


def test_the_form_sets_cookies_that_scripts_and_other_sites_cannot_use(client: FlaskClient) -> None:
    answer = client.post(LOGIN, data=RIGHT, base_url="https://appliance.example")
    assert (answer.status_code, answer.location) == (303, "/")
    cookies = {each.split("=")[0]: each for each in answer.headers.getlist("Set-Cookie")}
    assert set(cookies) == {"utxoracle_access", "utxoracle_csrf", "utxoracle_refresh", "utxoracle_refresh_csrf"}
    assert all("SameSite=Strict" in each and "Secure" in each for each in cookies.values())
    assert {name for name, each in cookies.items() if "HttpOnly" in each} == {"utxoracle_access", "utxoracle_refresh"}
    assert "Path=/api/auth;" in cookies["utxoracle_refresh"]


def test_without_tls_the_cookies_are_not_secure_or_nobody_could_sign_in(client: FlaskClient) -> None:
    answer = client.post(LOGIN, data=RIGHT)
    assert not any("Secure" in each for each in answer.headers.getlist("Set-Cookie"))
    behind_tls = client.post(LOGIN, data=RIGHT, headers={"X-Forwarded-Proto": "https"})
    assert all("Secure" in each for each in behind_tls.headers.getlist("Set-Cookie"))


def test_the_form_shows_people_what_was_wrong_on_the_page(client: FlaskClient) -> None:
    answer = client.post(LOGIN, data=RIGHT | {"password": "<b>wrong</b>"})
    page = answer.get_data(as_text=True)
    assert (answer.status_code, answer.mimetype) == (401, "text/html")
    assert "Name and password do not match." in page
    assert "<b>" not in page
    assert "&lt;b&gt;" not in page


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"}],
    ids=["told by the browser", "over plain HTTP", "from nowhere"],
)
def test_the_form_of_another_site_is_refused(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post(LOGIN, data=RIGHT, headers=headers).status_code == 403
    assert client.post(LOGIN, data=RIGHT, headers={"Origin": "http://localhost"}).status_code == 303


def test_a_refresh_token_gives_new_tokens_and_is_used_up(client: FlaskClient) -> None:
    first = tokens(client)
    second = client.post(REFRESH, headers=bearer(first["refresh_token"])).get_json()
    assert client.get(LATEST, headers=bearer(second["access_token"])).status_code == 404
    third = client.post(REFRESH, headers=bearer(second["refresh_token"]))
    assert third.status_code == 200


def test_a_refresh_token_used_twice_ends_the_whole_session(web: WebApplication, client: FlaskClient) -> None:
    first = tokens(client)
    second = client.post(REFRESH, headers=bearer(first["refresh_token"])).get_json()
    assert client.post(REFRESH, headers=bearer(first["refresh_token"])).get_json()["code"] == "TOKEN_REUSED"
    for token in (first["access_token"], second["access_token"]):
        assert client.get(LATEST, headers=bearer(token)).get_json()["code"] == "TOKEN_REVOKED"
    assert client.post(REFRESH, headers=bearer(second["refresh_token"])).get_json()["code"] == "TOKEN_REVOKED"
    with pytest.raises(TokenRefusedError, match="revoked"):
        TokenVerifier(SECRET, None, "HS256", web.revoked).access(second["access_token"])
    assert client.get(LATEST, headers=bearer(tokens(client)["access_token"])).status_code == 404


def test_an_access_token_renews_nothing_and_a_refresh_token_reads_nothing(client: FlaskClient) -> None:
    session = tokens(client)
    assert client.post(REFRESH, headers=bearer(session["access_token"])).status_code == 401
    assert client.get(LATEST, headers=bearer(session["refresh_token"])).status_code == 401


def test_signing_out_ends_the_session_and_no_other(client: FlaskClient) -> None:
    ended, other = tokens(client), tokens(client)
    assert client.post(LOGOUT, headers=bearer(ended["access_token"])).get_json() == {"status": "signed_out"}
    assert client.get(LATEST, headers=bearer(ended["access_token"])).status_code == 401
    assert client.post(REFRESH, headers=bearer(ended["refresh_token"])).status_code == 401
    assert client.get(LATEST, headers=bearer(other["access_token"])).status_code == 404


def test_a_browser_renews_and_signs_out_by_its_cookies(client: FlaskClient) -> None:
    client.post(LOGIN, data=RIGHT)

    def csrf(name: str) -> dict[str, str]:
        cookie = client.get_cookie(name)
        assert cookie is not None
        return {"X-CSRF-TOKEN": cookie.value}

    before = csrf("utxoracle_refresh_csrf")
    assert client.post(REFRESH).status_code == 403
    answer = client.post(REFRESH, headers=before)
    assert answer.status_code == 200
    assert answer.get_json()["access_token"] is None
    assert csrf("utxoracle_refresh_csrf") != before
    # What is no bearer token does not turn the cookie's session into one that scripts can read.
    with_basic = client.post(REFRESH, headers=csrf("utxoracle_refresh_csrf") | {"Authorization": "Basic eDp5"})
    assert (with_basic.status_code, with_basic.get_json()["access_token"]) == (200, None)
    assert client.get("/").status_code == 200
    assert client.post(LOGOUT, headers=csrf("utxoracle_csrf")).status_code == 200
    for name, path in (("utxoracle_access", "/"), ("utxoracle_refresh", "/api/auth")):
        assert client.get_cookie(name, path=path) is None
    assert client.get("/").location == "/login"


def test_a_ticket_opens_the_stream_once_and_ends_with_the_session(web: WebApplication, client: FlaskClient) -> None:
    session = tokens(client)
    verifier = TokenVerifier(SECRET, None, "HS256", web.revoked)

    def ticket() -> str:
        answer = client.post("/api/auth/stream-ticket", headers=bearer(session["access_token"])).get_json()
        assert (answer["expires_in"], answer["path"]) == (60, "/ws/whales")
        return str(answer["ticket"])

    used = ticket()
    grant = verifier.ticket(used)
    expiry = jwt.decode(session["access_token"], SECRET, algorithms=["HS256"])["exp"]
    assert (grant.username, grant.role, grant.expires_at.timestamp()) == ("watcher", "viewer", expiry)
    with pytest.raises(TokenRefusedError, match="used"):
        verifier.ticket(used)
    assert not web.revoked.is_revoked(*grant.token_ids)
    unused = ticket()
    client.post(LOGOUT, headers=bearer(session["access_token"]))
    assert web.revoked.is_revoked(*grant.token_ids)
    with pytest.raises(TokenRefusedError, match="revoked"):
        verifier.ticket(unused)


def test_what_has_expired_is_forgotten_by_the_next_sign_in(web: WebApplication, client: FlaskClient) -> None:
    web.revoked.revoke("long gone", web.clock() - timedelta(seconds=1))
    assert web.revoked.is_revoked("long gone")
    tokens(client)
    assert not web.revoked.is_revoked("long gone")


def test_an_unknown_name_takes_as_long_to_refuse_as_a_known_one(web: WebApplication) -> None:
    strong_hash = generate_password_hash(PASSWORD)

    class OneAccount:
        def find(self, username: str) -> Account | None:
            return (
                Account(1, "watcher", strong_hash, "viewer", is_active=True, session_epoch=1)
                if username == "watcher"
                else None
            )

    authentication = Authentication(
        OneAccount(),  # type: ignore[arg-type] # all of the port that signing in needs
        web.revoked,
        check_password_hash,
        generate_password_hash("x"),
    )

    def seconds(username: str) -> float:
        began = time.perf_counter()
        with pytest.raises(SignInRefusedError):
            authentication.sign_in(username, "wrong")
        return time.perf_counter() - began

    pairs = [(seconds("watcher"), seconds("nobody"), seconds("not a name")) for _ in range(5)]
    known, unknown, impossible = (statistics.median(each) for each in zip(*pairs, strict=True))
    assert 0.5 < unknown / known < 2
    assert 0.5 < impossible / known < 2

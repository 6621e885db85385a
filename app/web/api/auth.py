"""`/api/auth`: signing in, staying so, and leaving."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import msgspec
from flask import Blueprint, Response, redirect, request, url_for
from msgspec import Meta

from app.services.authentication import SignInRefusedError
from app.web.caller import caller, came_by_cookie, claims
from app.web.operation import FORM, Operation, as_response, operation
from app.web.problems import ProblemError
from app.web.proxies import client_address
from app.web.sessions import TICKET_LIFETIME, Session, Sessions, set_cookies, take_cookies_away

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.services.authentication import Authentication

_log = logging.getLogger(__name__)


class Credentials(msgspec.Struct, forbid_unknown_fields=True):
    """Who signs in."""

    username: Annotated[str, Meta(min_length=1, max_length=64)]
    password: Annotated[str, Meta(min_length=1, max_length=1024)]


class Tokens(msgspec.Struct):
    """A session; the tokens are null where they went into cookies."""

    username: str
    role: str
    expires_in: Annotated[int, Meta(description="Seconds until the access token expires.")]
    refresh_expires_in: Annotated[int, Meta(description="Seconds until the refresh token expires.")]
    access_token: str | None = None
    refresh_token: str | None = None
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme


class SignedOut(msgspec.Struct):
    """The session has ended."""

    status: str = "signed_out"


class Ticket(msgspec.Struct):
    """Lets its bearer into the alert stream once."""

    ticket: str
    expires_in: Annotated[int, Meta(description="Seconds until it is worth nothing.")]
    path: Annotated[str, Meta(description="Where the stream is, on this origin.")] = "/ws/whales"


def auth_blueprint(authentication: Authentication, sessions: Sessions, limit_logins: Callable[[Any], Any]) -> Blueprint:
    """Serve sessions under `/api/auth`."""
    routes = Blueprint("auth", __name__, url_prefix="/api/auth")

    @routes.post("/login")
    @limit_logins
    @operation(
        Operation(
            summary="Sign in; a form gets cookies and is sent to the dashboard",
            needs="nothing",
            body=Credentials,
            also_form=True,
            answers={200: Tokens, 303: None},
            problems=(400, 401, 403, 413, 415),
        )
    )
    def login(body: Credentials) -> Tokens | Response:
        is_form = request.mimetype == FORM
        if is_form and _comes_from_elsewhere():
            raise ProblemError(403, "FOREIGN_ORIGIN", "Sign in on the page of this appliance.")
        try:
            session = sessions.begin(authentication.sign_in(body.username, body.password))
        except SignInRefusedError as error:
            _log.warning("sign-in refused", extra={"address": client_address()})
            raise ProblemError(401, "BAD_CREDENTIALS", "Name and password do not match.") from error
        return _to_dashboard(session) if is_form else _tokens(session)

    @routes.post("/refresh")
    @operation(
        Operation(
            summary="Exchange a refresh token for new tokens; it is used up",
            needs="refresh",
            answers={200: Tokens},
            problems=(403,),
        )
    )
    def refresh() -> Tokens | Response:
        session = sessions.renew(caller(), claims())
        if not came_by_cookie():
            return _tokens(session)
        answer: Response = as_response(_about(session))
        set_cookies(answer, session)
        return answer

    @routes.post("/logout")
    @operation(Operation(summary="End the session", answers={200: SignedOut}, problems=(403,)))
    def logout() -> Response:
        sessions.end(claims())
        answer: Response = as_response(SignedOut())
        take_cookies_away(answer)
        return answer

    @routes.post("/stream-ticket")
    @operation(
        Operation(summary="Get a ticket for one connection to the stream", answers={200: Ticket}, problems=(403,))
    )
    def stream_ticket() -> Ticket:
        return Ticket(sessions.stream_ticket(caller(), claims()), int(TICKET_LIFETIME.total_seconds()))

    return routes


def _comes_from_elsewhere() -> bool:
    """Return whether a page of another origin sent the form; over plain HTTP browsers say so in Origin alone."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host


def _about(session: Session) -> Tokens:
    return Tokens(
        username=session.account.username,
        role=session.account.role,
        expires_in=int(session.access_lifetime.total_seconds()),
        refresh_expires_in=int(session.refresh_lifetime.total_seconds()),
    )


def _tokens(session: Session) -> Tokens:
    answer = _about(session)
    answer.access_token, answer.refresh_token = session.access_token, session.refresh_token
    return answer


def _to_dashboard(session: Session) -> Response:
    answer: Response = redirect(url_for("pages.dashboard"), 303)  # type: ignore[assignment] # Flask makes its own
    set_cookies(answer, session)
    return answer

"""Sessions: what a sign-in gives, how it is renewed, and how it ends."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import request
from flask_jwt_extended import create_access_token, create_refresh_token, get_csrf_token

from app.web.caller import ACCESS_COOKIE, CSRF_COOKIE, REFRESH_COOKIE, REFRESH_CSRF_COOKIE
from app.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from app.services.accounts import Account, RevokedTokens

TICKET_LIFETIME = timedelta(seconds=60)
REFRESH_PATH = "/api/auth"


@dataclass(frozen=True, slots=True)
class Session:
    """Tokens of one account, as they were just made; the lifetimes are those of the two."""

    account: Account
    access_token: str
    refresh_token: str
    access_lifetime: timedelta
    refresh_lifetime: timedelta


class Sessions:
    """Makes and ends sessions; the tokens of one sign-in and its renewals are a family, and end together."""

    def __init__(self, revoked: RevokedTokens, access_lifetime: timedelta, refresh_lifetime: timedelta) -> None:
        self._revoked = revoked
        self._access_lifetime = access_lifetime
        self._refresh_lifetime = refresh_lifetime

    def begin(self, account: Account) -> Session:
        """Return a new session."""
        # There is no job for this yet, and who signs in has the patience for one statement more.
        self._revoked.forget_expired(datetime.now(UTC))
        return self._session(account, uuid.uuid4().hex)

    def renew(self, account: Account, refresh_claims: Mapping[str, Any]) -> Session:
        """Return the tokens that follow a refresh token, which is used up.

        One that was used before is in two hands, and one of them is a thief's: the whole family ends.
        """
        if not self._revoked.revoke(refresh_claims["jti"], _expiry(refresh_claims)):
            self._end_family(refresh_claims)
            raise ProblemError(
                401, "TOKEN_REUSED", "This refresh token was used before, so its session has ended; sign in again."
            )
        return self._session(account, refresh_claims["family"])

    def end(self, access_claims: Mapping[str, Any]) -> None:
        """Take back the access token and everything that came of the same sign-in."""
        self._revoked.revoke(access_claims["jti"], _expiry(access_claims))
        self._end_family(access_claims)

    def stream_ticket(self, account: Account, access_claims: Mapping[str, Any]) -> str:
        """Return a ticket for one connection to the alert stream, which ends with the session."""
        ticket: str = create_access_token(
            account.username,
            expires_delta=TICKET_LIFETIME,
            additional_claims={
                "role": account.role,
                "epoch": account.session_epoch,
                "purpose": "stream",
                "session_jti": access_claims.get("family", access_claims["jti"]),
                "session_exp": access_claims["exp"],
            },
        )
        return ticket

    def _session(self, account: Account, family: str) -> Session:
        about = {"role": account.role, "epoch": account.session_epoch, "family": family}
        return Session(
            account,
            create_access_token(account.username, additional_claims=about),
            create_refresh_token(account.username, additional_claims=about),
            self._access_lifetime,
            self._refresh_lifetime,
        )

    def _end_family(self, claims: Mapping[str, Any]) -> None:
        if "family" in claims:
            self._revoked.revoke(claims["family"], datetime.now(UTC) + self._refresh_lifetime)


def set_cookies(answer: Response, session: Session) -> None:
    """Give a browser the session: tokens that scripts cannot read, and CSRF tokens that only our own can."""
    access_seconds = int(session.access_lifetime.total_seconds())
    refresh_seconds = int(session.refresh_lifetime.total_seconds())
    cookies = (
        (ACCESS_COOKIE, session.access_token, access_seconds, "/", True),
        (CSRF_COOKIE, get_csrf_token(session.access_token), access_seconds, "/", False),
        (REFRESH_COOKIE, session.refresh_token, refresh_seconds, REFRESH_PATH, True),
        (REFRESH_CSRF_COOKIE, get_csrf_token(session.refresh_token), refresh_seconds, "/", False),
    )
    for name, value, seconds, path, is_hidden in cookies:
        answer.set_cookie(
            name,
            value,
            max_age=seconds,
            path=path,
            # Without TLS in front a browser would drop a Secure cookie, and nobody could sign in.
            secure=request.is_secure,
            httponly=is_hidden,
            samesite="Strict",
        )


def take_cookies_away(answer: Response) -> None:
    """Make a browser forget the session."""
    for name in (ACCESS_COOKIE, CSRF_COOKIE, REFRESH_CSRF_COOKIE):
        answer.delete_cookie(name, samesite="Strict", secure=request.is_secure)
    answer.delete_cookie(REFRESH_COOKIE, path=REFRESH_PATH, samesite="Strict", secure=request.is_secure)


def _expiry(claims: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(claims["exp"], UTC)

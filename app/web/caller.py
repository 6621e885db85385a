"""Who calls: decided before any view, for every view that does not say that it needs nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import jwt
from flask import Flask, Response, current_app, g, redirect, request, url_for
from flask_jwt_extended import (
    JWTManager,
    get_current_user,
    get_jwt,
    get_jwt_request_location,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import CSRFError, JWTExtendedException, RevokedTokenError, UserLookupError

from app.services.storage import StorageError
from app.web.operation import HTML, operation_of
from app.web.problems import ProblemError

if TYPE_CHECKING:
    from datetime import timedelta

    from app.services.accounts import Account
    from app.services.authentication import Authentication

ACCESS_COOKIE, REFRESH_COOKIE = "utxoracle_access", "utxoracle_refresh"
CSRF_COOKIE, REFRESH_CSRF_COOKIE = "utxoracle_csrf", "utxoracle_refresh_csrf"
CSRF_HEADER = "X-CSRF-TOKEN"

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="utxoracle"'}


def authenticate_callers(  # noqa: PLR0913 - one call an application, every value named
    app: Flask,
    authentication: Authentication,
    *,
    secret: str,
    previous_secret: str | None,
    algorithm: str,
    access_lifetime: timedelta,
    refresh_lifetime: timedelta,
) -> None:
    """Let only those into the views of `app` who have the token that a view needs."""
    app.config.update(
        JWT_SECRET_KEY=secret,
        JWT_ALGORITHM=algorithm,
        JWT_ACCESS_TOKEN_EXPIRES=access_lifetime,
        JWT_REFRESH_TOKEN_EXPIRES=refresh_lifetime,
        JWT_TOKEN_LOCATION=["headers", "cookies"],
        JWT_ACCESS_COOKIE_NAME=ACCESS_COOKIE,
        JWT_REFRESH_COOKIE_NAME=REFRESH_COOKIE,
        JWT_ACCESS_CSRF_HEADER_NAME=CSRF_HEADER,
        JWT_REFRESH_CSRF_HEADER_NAME=CSRF_HEADER,
    )
    keys = [key for key in (secret, previous_secret) if key]
    manager = JWTManager(app)
    manager.decode_key_loader(lambda _header, _claims: g.get("token_key", secret))
    manager.token_verification_loader(_is_complete)
    manager.token_in_blocklist_loader(lambda _header, claims: authentication.is_revoked(*_ids(claims)))
    manager.user_lookup_loader(
        lambda _header, claims: authentication.active_account(claims["sub"], claims.get("epoch"))
    )

    @app.before_request
    def admit() -> Response | None:
        if request.endpoint is None:
            return None
        described = operation_of(app, request.endpoint)
        needs = described.needs if described else "access"
        if needs == "nothing" or request.endpoint == "static":
            return None
        try:
            _identify(keys, refresh=needs == "refresh")
        except ProblemError:
            if described is not None and HTML in described.media:
                return redirect(url_for("pages.login"), 303)  # type: ignore[return-value] # werkzeug's Response
            raise
        return None

    app.extensions["utxoracle-keys"] = keys


def caller() -> Account:
    """Return the account whose token came with the request."""
    account: Account = get_current_user()
    return account


def claims() -> dict[str, Any]:
    """Return what the token that came with the request says."""
    return dict(get_jwt())


def is_known_caller() -> bool:
    """Return whether a valid token came with a request that needs none."""
    with suppress(ProblemError, StorageError):
        _identify(current_app.extensions["utxoracle-keys"], refresh=False)
        return True
    return False


def came_by_cookie() -> bool:
    """Return whether the token that came with the request was in a cookie, not in a header."""
    return get_jwt_request_location() == "cookies"


def _identify(keys: list[str], *, refresh: bool) -> None:
    try:
        _verify(keys, refresh=refresh)
    except CSRFError as error:
        raise ProblemError(
            403, "CSRF_TOKEN_MISSING", f"Repeat the CSRF cookie in the header {CSRF_HEADER}, or send a bearer token."
        ) from error
    except RevokedTokenError as error:
        raise _unauthenticated("TOKEN_REVOKED", "This token has been revoked; sign in again.") from error
    except jwt.ExpiredSignatureError as error:
        raise _unauthenticated("TOKEN_EXPIRED", "This token has expired; refresh it, or sign in again.") from error
    except UserLookupError as error:
        raise _unauthenticated("SESSION_ENDED", "This session has ended; sign in again.") from error
    except (JWTExtendedException, jwt.PyJWTError, ValueError) as error:
        kind = "a refresh token" if refresh else "an access token"
        raise _unauthenticated(
            "UNAUTHENTICATED", f"This needs {kind}: Authorization: Bearer …, from POST /api/auth/login."
        ) from error


def _verify(keys: list[str], *, refresh: bool) -> None:
    """Verify by the key of now, and while keys rotate by the one before."""
    try:
        for key in keys:
            g.token_key = key
            try:
                verify_jwt_in_request(refresh=refresh)
            except jwt.InvalidSignatureError:
                if key == keys[-1]:
                    raise
            else:
                return
    finally:
        # Tokens that the view makes are signed, and looked into, by the key of now.
        g.pop("token_key", None)


def _unauthenticated(code: str, detail: str) -> ProblemError:
    return ProblemError(401, code, detail, _CHALLENGE)


def _is_complete(_header: object, claims: dict[str, Any]) -> bool:
    """Return whether the token is one for requests: not a ticket, which is good for the stream alone."""
    return isinstance(claims["jti"], str) and "exp" in claims and "purpose" not in claims


def _ids(claims: dict[str, Any]) -> list[str]:
    """Return the ids by which the token can be revoked; the first use of a refresh token is decided by its view."""
    ids = [claims.get("family"), claims["jti"] if claims["type"] == "access" else None]
    return [each for each in ids if isinstance(each, str)]

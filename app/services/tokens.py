"""Signed tokens: what they must hold to be believed outside the API, which issues them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jwt

if TYPE_CHECKING:
    from app.services.accounts import Account, RevokedTokens, Role

_REQUIRED = ("sub", "role", "jti", "exp", "type", "epoch")
_ACCESS = "access"
_STREAM = "stream"


class TokenRefusedError(Exception):
    """The token proves nothing; the message says why, for its bearer to read."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a believed token allows.

    Attributes:
        username: Whose token it is.
        role: As the token says; the account may have changed since.
        token_ids: Revoking any of these ends the grant.
        expires_at: When it ends by itself (aware UTC).
        session_epoch: Of the account, when the token was issued.
    """

    username: str
    role: str
    token_ids: frozenset[str]
    expires_at: datetime
    session_epoch: int


class TokenVerifier:
    """Believes tokens that one of our keys signed and nobody has revoked.

    Args:
        secret: Signs tokens now.
        previous: Signed them before the last rotation, if that is recent.
        algorithm: The only one accepted, whatever a token says of itself.
        revoked: Knows which tokens were taken back.
    """

    def __init__(self, secret: str, previous: str | None, algorithm: str, revoked: RevokedTokens) -> None:
        self._keys = [key for key in (secret, previous) if key]
        self._algorithm = algorithm
        self._revoked = revoked

    def access(self, token: str) -> Grant:
        """Return what an access token allows; raise TokenRefusedError when it is not a valid one."""
        claims = self._claims(token)
        if claims.get("purpose"):
            raise TokenRefusedError("this token is a ticket; send it as one")
        # The family is all that came of one sign-in; it is revoked as a whole.
        ids = {each for each in (claims["jti"], claims.get("family")) if isinstance(each, str)}
        return self._granted(claims, frozenset(ids), claims["exp"])

    def ticket(self, ticket: str) -> Grant:
        """Use up a stream ticket and return what it allows, as long as the session that asked for it lasts.

        The ticket itself is good for its first use only, so its own short life does not bound the grant when it
        carries `session_exp` and `session_jti`, the expiry and the id of that session's access token.

        Raises:
            TokenRefusedError: It is no valid ticket, or has been used.
        """
        claims = self._claims(ticket)
        if claims.get("purpose") != _STREAM:
            raise TokenRefusedError("this token is not a stream ticket")
        if not self._revoked.revoke(claims["jti"], _moment(claims["exp"])):
            raise TokenRefusedError("this ticket has been used")
        session = claims.get("session_jti")
        # By its own id, which is now used up, the grant would look revoked.
        ids = frozenset({session}) if isinstance(session, str) else frozenset[str]()
        return self._granted(claims, ids, claims.get("session_exp", claims["exp"]))

    def _claims(self, token: str) -> dict[str, Any]:
        for key in self._keys:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token, key, algorithms=[self._algorithm], options={"require": list(_REQUIRED)}
                )
            except jwt.ExpiredSignatureError:
                raise TokenRefusedError("the token has expired") from None
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError:
                break
            if claims["type"] == _ACCESS and isinstance(claims["role"], str) and isinstance(claims["epoch"], int):
                return claims
            break
        raise TokenRefusedError("the token is not valid")

    def _granted(self, claims: dict[str, Any], token_ids: frozenset[str], expires: float) -> Grant:
        if token_ids and self._revoked.is_revoked(*token_ids):
            raise TokenRefusedError("the token has been revoked")
        return Grant(claims["sub"], claims["role"], token_ids, _moment(expires), claims["epoch"])


def mint_access_token(account: Account, secret: str, algorithm: str, lifetime: timedelta) -> tuple[str, Grant]:
    """Return an access token for `account`, as the API would issue it, and what it allows."""
    now = datetime.now(UTC)
    role: Role = account.role
    claims = {
        "sub": account.username,
        "role": role,
        "epoch": account.session_epoch,
        "jti": uuid.uuid4().hex,
        "type": _ACCESS,
        "fresh": False,
        "iat": now,
        "nbf": now,
        "exp": now + lifetime,
    }
    grant = Grant(account.username, role, frozenset({str(claims["jti"])}), now + lifetime, account.session_epoch)
    return jwt.encode(claims, secret, algorithm=algorithm), grant


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)

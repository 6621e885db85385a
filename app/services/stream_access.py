"""Who may follow the alert stream, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.services.tokens import TokenRefusedError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from typing import TypeVar

    from app.services.accounts import Accounts, RevokedTokens
    from app.services.tokens import Grant, TokenVerifier

    Key = TypeVar("Key")

STREAM_ROLES = frozenset({"viewer", "operator", "admin"})


class RoleRefusedError(Exception):
    """The token is sound, but its role is not one that may follow the stream."""


class StreamAccess:
    """Checks tokens and tickets on arrival, and whether their grants still hold."""

    def __init__(self, verifier: TokenVerifier, accounts: Accounts, revoked: RevokedTokens) -> None:
        self._verifier = verifier
        self._accounts = accounts
        self._revoked = revoked

    def enter(self, *, token: str | None, ticket: str | None) -> Grant:
        """Return what one of `token` and `ticket` allows.

        Raises:
            TokenRefusedError: It proves nothing, its session has ended, or its account may no longer sign in.
            RoleRefusedError: Its role may not follow the stream.
        """
        if token:
            grant = self._verifier.access(token)
        elif ticket:
            grant = self._verifier.ticket(ticket)
        else:
            raise TokenRefusedError("neither a token nor a ticket was given")
        account = self._accounts.find(grant.username)
        if account is None or not account.is_active:
            raise TokenRefusedError("the account may not sign in")
        if account.session_epoch != grant.session_epoch:
            raise TokenRefusedError("the session has ended; sign in again")
        if grant.role not in STREAM_ROLES:
            raise RoleRefusedError(f"the role {grant.role!r} may not follow the stream")
        return grant

    def ended(self, grants: Sequence[tuple[Key, Grant]], since: datetime) -> Collection[Key]:
        """Return the keys of those grants that have been taken back, by session, by account, or by token since then.

        The accounts are read once and the tokens once, however many grants there are.
        """
        if not grants:
            return []
        epochs = {account.username: account.session_epoch for account in self._accounts.every() if account.is_active}
        revoked = self._revoked.revoked_since(since)
        return [
            key
            for key, grant in grants
            if epochs.get(grant.username) != grant.session_epoch or not revoked.isdisjoint(grant.token_ids)
        ]

"""The ports through which people and their tokens are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

Role = Literal["viewer", "operator", "admin"]


class UsernameTakenError(ValueError):
    """Somebody has that name already."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person or a machine that may sign in; the password is known only as its hash.

    Attributes:
        session_epoch: Tokens carry the one that they were issued in, and count no longer than it lasts.
    """

    id: int
    username: str
    password_hash: str
    role: Role
    is_active: bool
    session_epoch: int


class Accounts(Protocol):
    """The table `users`."""

    def find(self, username: str) -> Account | None:
        """Return the account of that name (case counts), active or not."""

    def create(self, username: str, password_hash: str, role: Role) -> Account:
        """Add an account; raise UsernameTakenError when the name is taken."""

    def set_password(self, username: str, password_hash: str) -> bool:
        """Change the password and end every session; return whether there is such an account."""

    def set_active(self, username: str, *, is_active: bool) -> bool:
        """Allow signing in, or stop it and end every session; return whether there is such an account."""

    def every(self) -> Sequence[Account]:
        """Return all accounts by name."""


class RevokedTokens(Protocol):
    """The table `revoked_tokens`: ids (jti) of tokens, and of families of refresh tokens, no longer accepted."""

    def revoke(self, token_id: str, expires_at: datetime) -> bool:
        """Revoke; return False when it had been revoked before (so it can be used up exactly once)."""

    def is_revoked(self, *token_ids: str) -> bool:
        """Return whether any of these is revoked."""

    def revoked_since(self, moment: datetime) -> set[str]:
        """Return those revoked at `moment` or later, by the clock of whoever revoked them."""

    def forget_expired(self, now: datetime) -> int:
        """Remove those that have expired anyway; return how many."""

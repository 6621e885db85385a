"""Who may sign in, and whether a token that was believed once still is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from app.services.account_rules import PASSWORD_MAX_CHARACTERS, username_problem

if TYPE_CHECKING:
    from app.services.accounts import Account, Accounts, RevokedTokens


class SignInRefusedError(Exception):
    """Name and password do not belong to an account that may sign in; which of them is wrong stays unsaid."""


class PasswordCheck(Protocol):
    """Compares passwords with hashes."""

    def __call__(self, password_hash: str, password: str, /) -> bool:
        """Return whether `password` is the one of `password_hash`."""


class Authentication:
    """Decides by the accounts and by what was taken back.

    Args:
        accounts: Those who may sign in.
        revoked: Tokens, and families of them, that were taken back.
        check_password: Takes as long for a wrong password as for the right one.
        nobodys_hash: Hash of a password that nobody has, made as those of accounts are: an unknown name then takes
            as long to refuse as a known one.
    """

    def __init__(
        self, accounts: Accounts, revoked: RevokedTokens, check_password: PasswordCheck, nobodys_hash: str
    ) -> None:
        self._accounts = accounts
        self._revoked = revoked
        self._check_password = check_password
        self._nobodys_hash = nobodys_hash

    def sign_in(self, username: str, password: str) -> Account:
        """Return the account of that name and password; raise SignInRefusedError."""
        account = None if username_problem(username) else self._accounts.find(username)
        known_hash = account.password_hash if account else self._nobodys_hash
        is_right = self._check_password(known_hash, password[: PASSWORD_MAX_CHARACTERS + 1])
        if account is None or not is_right or not account.is_active:
            raise SignInRefusedError
        return account

    def active_account(self, username: str, session_epoch: object) -> Account | None:
        """Return the account if it may still be used by tokens of that epoch."""
        account = self._accounts.find(username)
        if account is None or not account.is_active or account.session_epoch != session_epoch:
            return None
        return account

    def is_revoked(self, *token_ids: str) -> bool:
        """Return whether any of these tokens or families was taken back."""
        return self._revoked.is_revoked(*token_ids)

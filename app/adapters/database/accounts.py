"""Accounts and tokens no longer accepted, kept in the tables `users` and `revoked_tokens`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, exc, insert, select, update

from app.adapters.database.tables import RevokedTokenRow, UserRow
from app.services.accounts import Account, UsernameTakenError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Row

    from app.adapters.database.engine import Database
    from app.services.accounts import Role

_ACCOUNT = (UserRow.id, UserRow.username, UserRow.password_hash, UserRow.role, UserRow.is_active, UserRow.session_epoch)

_NEXT_EPOCH = UserRow.session_epoch + 1


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _account(row: Row[int, str, str, str, bool, int]) -> Account:
    return Account(row.id, row.username, row.password_hash, cast("Role", row.role), row.is_active, row.session_epoch)


class DatabaseAccounts:
    """Answers `app.services.accounts.Accounts`."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._clock = clock

    def find(self, username: str) -> Account | None:
        """Return the account of that name (case counts), active or not."""
        with self._database.reading() as connection:
            row = connection.execute(select(*_ACCOUNT).where(UserRow.username == username)).first()
        return None if row is None else _account(row)

    def create(self, username: str, password_hash: str, role: Role) -> Account:
        """Add an account; raise UsernameTakenError when the name is taken."""
        now = self._clock()
        statement = insert(UserRow).values(
            username=username,
            password_hash=password_hash,
            role=role,
            is_active=True,
            created_at=now,
            password_changed_at=now,
            session_epoch=1,
        )
        try:
            with self._database.writing() as connection:
                row = connection.execute(statement.returning(*_ACCOUNT)).one()
        except exc.IntegrityError as error:
            if self.find(username) is None:
                raise
            raise UsernameTakenError(f"there is an account {username!r} already") from error
        return _account(row)

    def set_password(self, username: str, password_hash: str) -> bool:
        """Change the password and end every session; return whether there is such an account."""
        return self._change(
            username, password_hash=password_hash, password_changed_at=self._clock(), session_epoch=_NEXT_EPOCH
        )

    def set_active(self, username: str, *, is_active: bool) -> bool:
        """Allow signing in, or stop it and end every session; return whether there is such an account."""
        ends_sessions = {} if is_active else {"session_epoch": _NEXT_EPOCH}
        return self._change(username, is_active=is_active, **ends_sessions)

    def every(self) -> Sequence[Account]:
        """Return all accounts by name."""
        with self._database.reading() as connection:
            return [_account(row) for row in connection.execute(select(*_ACCOUNT).order_by(UserRow.username))]

    def _change(self, username: str, **values: Any) -> bool:  # noqa: ANN401 - columns of several types
        with self._database.writing() as connection:
            changed = connection.execute(update(UserRow).where(UserRow.username == username).values(values))
            return changed.rowcount > 0


class DatabaseRevokedTokens:
    """Answers `app.services.accounts.RevokedTokens`."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._clock = clock

    def revoke(self, token_id: str, expires_at: datetime) -> bool:
        """Revoke; return False when it had been revoked before (so it can be used up exactly once)."""
        statement = insert(RevokedTokenRow).values(token_id=token_id, revoked_at=self._clock(), expires_at=expires_at)
        try:
            with self._database.writing() as connection:
                connection.execute(statement)
        except exc.IntegrityError:
            return False
        return True

    def is_revoked(self, *token_ids: str) -> bool:
        """Return whether any of these is revoked."""
        statement = select(RevokedTokenRow.token_id).where(RevokedTokenRow.token_id.in_(token_ids)).limit(1)
        with self._database.reading() as connection:
            return connection.execute(statement).first() is not None

    def revoked_since(self, moment: datetime) -> set[str]:
        """Return those revoked at `moment` or later, by the clock of whoever revoked them."""
        statement = select(RevokedTokenRow.token_id).where(RevokedTokenRow.revoked_at >= moment)
        with self._database.reading() as connection:
            return set(connection.execute(statement).scalars())

    def forget_expired(self, now: datetime) -> int:
        """Remove those that have expired anyway; return how many."""
        with self._database.writing() as connection:
            return connection.execute(delete(RevokedTokenRow).where(RevokedTokenRow.expires_at <= now)).rowcount

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import exc, select

from app.adapters.database.accounts import DatabaseAccounts, DatabaseRevokedTokens
from app.adapters.database.tables import UserRow
from app.services.accounts import Account, UsernameTakenError

if TYPE_CHECKING:
    from app.adapters.database.engine import Database

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(database: Database, clock: Clock) -> DatabaseAccounts:
    return DatabaseAccounts(database, clock)


@pytest.fixture
def revoked(database: Database, clock: Clock) -> DatabaseRevokedTokens:
    return DatabaseRevokedTokens(database, clock)


def test_an_account_is_found_by_name(accounts: DatabaseAccounts) -> None:
    made = accounts.create("admin", "a hash", "admin")
    assert made == Account(made.id, "admin", "a hash", "admin", is_active=True, session_epoch=1)
    assert accounts.find("admin") == made


def test_nobody_is_found_by_another_name_or_case(accounts: DatabaseAccounts) -> None:
    accounts.create("admin", "a hash", "admin")
    assert accounts.find("Admin") is None
    assert accounts.find("admin' OR 1=1 --") is None


def test_a_name_is_given_once(accounts: DatabaseAccounts) -> None:
    made = accounts.create("admin", "a hash", "admin")
    with pytest.raises(UsernameTakenError, match="'admin'"):
        accounts.create("admin", "another", "viewer")
    assert accounts.every() == [made]


def test_a_role_that_does_not_exist_is_not_a_taken_name(accounts: DatabaseAccounts) -> None:
    with pytest.raises(exc.IntegrityError, match="role_known"):
        accounts.create("admin", "a hash", "king")  # type: ignore[arg-type] # that is the point
    assert accounts.every() == []


def test_accounts_are_listed_by_name(accounts: DatabaseAccounts) -> None:
    for name in ("carol", "alice", "bob"):
        accounts.create(name, "-", "viewer")
    assert [account.username for account in accounts.every()] == ["alice", "bob", "carol"]


def test_a_changed_password_is_dated(accounts: DatabaseAccounts, database: Database, clock: Clock) -> None:
    accounts.create("admin", "old", "admin")
    clock.now += timedelta(days=1)
    assert accounts.set_password("admin", "new")
    found = accounts.find("admin")
    assert found is not None
    assert found.password_hash == "new"  # noqa: S105 - stands for a hash
    with database.reading() as connection:
        dates = connection.execute(select(UserRow.created_at, UserRow.password_changed_at)).one()
    assert dates == (NOW, NOW + timedelta(days=1))


def test_an_account_is_stopped_and_let_in_again(accounts: DatabaseAccounts) -> None:
    accounts.create("admin", "-", "admin")
    for is_active in (False, True):
        assert accounts.set_active("admin", is_active=is_active)
        found = accounts.find("admin")
        assert found is not None
        assert found.is_active is is_active


def test_nobody_is_changed_when_nobody_is_there(accounts: DatabaseAccounts) -> None:
    assert not accounts.set_password("nobody", "-")
    assert not accounts.set_active("nobody", is_active=True)


def test_a_token_is_used_up_once(revoked: DatabaseRevokedTokens) -> None:
    assert revoked.revoke("jti", NOW)
    assert not revoked.revoke("jti", NOW + timedelta(hours=1))


def test_a_token_is_revoked_by_itself_or_by_its_family(revoked: DatabaseRevokedTokens) -> None:
    revoked.revoke("family", NOW)
    assert revoked.is_revoked("family")
    assert revoked.is_revoked("jti", "family")
    assert not revoked.is_revoked("jti")
    assert not revoked.is_revoked()


def test_those_revoked_since_a_moment_are_found(database: Database) -> None:
    moments = iter([NOW, NOW + timedelta(seconds=1), NOW + timedelta(seconds=2)])
    revoked = DatabaseRevokedTokens(database, moments.__next__)
    for number in range(3):
        revoked.revoke(f"jti-{number}", NOW)
    assert revoked.revoked_since(NOW) == {"jti-0", "jti-1", "jti-2"}
    assert revoked.revoked_since(NOW + timedelta(seconds=1)) == {"jti-1", "jti-2"}
    assert revoked.revoked_since(NOW + timedelta(seconds=3)) == set()
    assert revoked.revoked_since(datetime.min.replace(tzinfo=UTC)) == {"jti-0", "jti-1", "jti-2"}


def test_only_expired_tokens_are_forgotten(revoked: DatabaseRevokedTokens) -> None:
    revoked.revoke("expired", NOW)
    revoked.revoke("not yet", NOW + timedelta(seconds=1))
    assert revoked.forget_expired(NOW) == 1
    assert revoked.forget_expired(NOW) == 0
    assert not revoked.is_revoked("expired")
    assert revoked.is_revoked("not yet")

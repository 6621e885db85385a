"""`utxoracle db` and `utxoracle users`, as operators and the deploy call them."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from werkzeug.security import check_password_hash

from app.adapters.database.accounts import DatabaseAccounts
from app.adapters.database.engine import open_database
from app.adapters.database.schema import EXPECTED_REVISION
from app.cli import main
from app.config.load import EXIT_CONFIGURATION, EXIT_FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.services.accounts import Account

PASSWORD = "correct horse battery"  # noqa: S105 - of an account that lives for a test
NO_DATABASE = "; `utxoracle db upgrade` makes it\n"


class Host:
    """A state directory, and the command as it runs there."""

    def __init__(self, state: Path) -> None:
        self.file = state / "utxoracle.db"
        self.environ = {
            "STATE_DIRECTORY": str(state),
            "UTXORACLE_ENV_FILE": "/dev/null",
            "UTXORACLE_USER": "",
            "JWT_SECRET_KEY": "only for this test, and long enough",
        }

    def run(self, command: str, standard_input: str | bytes = "") -> Result:
        return CliRunner(env=self.environ).invoke(main, command.split(), input=standard_input)

    def accounts(self) -> Sequence[Account]:
        with open_database(f"sqlite:///{self.file}") as database:
            return DatabaseAccounts(database).every()

    def account(self) -> Account:
        (account,) = self.accounts()
        return account


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def migrated(host: Host) -> Host:
    assert host.run("db upgrade").exit_code == 0
    return host


def test_the_first_upgrade_makes_the_file_and_the_second_says_so(host: Host) -> None:
    first, second = host.run("db upgrade"), host.run("db upgrade")
    assert (first.exit_code, first.output) == (0, f"upgraded from nothing to {EXPECTED_REVISION}\n")
    assert (second.exit_code, second.output) == (0, f"already at {EXPECTED_REVISION}\n")
    assert host.file.stat().st_mode & 0o777 == 0o600


def test_a_good_schema_is_checked_silently_enough(migrated: Host) -> None:
    checked = migrated.run("db check")
    assert (checked.exit_code, checked.output) == (
        0,
        f"The schema is at {EXPECTED_REVISION}, as this release needs it.\n",
    )


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ("DROP TABLE events", "events is missing from the database"),
        ("ALTER TABLE labels DROP COLUMN name", "labels.name is missing from the database"),
        ("DROP INDEX ix_events_created_at", "ix_events_created_at"),
        ("ALTER TABLE users ADD COLUMN nick TEXT", "nick"),
        ("UPDATE alembic_version SET version_num = '20000101_old'", "run `utxoracle db upgrade`"),
        ("DELETE FROM alembic_version", "run `utxoracle db upgrade`"),
    ],
)
def test_a_harmed_schema_fails_the_check_by_name(migrated: Host, harm: str, reason: str) -> None:
    with sqlite3.connect(migrated.file) as connection:
        connection.execute(harm)
    connection.close()
    checked = migrated.run("db check")
    assert checked.exit_code == EXIT_FAILED
    assert reason in checked.stderr


def test_checking_nothing_makes_nothing(host: Host) -> None:
    checked = host.run("db check")
    assert checked.exit_code == EXIT_FAILED
    assert checked.stderr.endswith(NO_DATABASE)
    assert not host.file.exists()


def test_a_downgrade_asks_first(migrated: Host) -> None:
    refused = migrated.run("db downgrade --revision base", "n\n")
    assert refused.exit_code == 1
    assert migrated.run("db check").exit_code == 0
    done = migrated.run("db downgrade --revision base --yes")
    assert (done.exit_code, done.output) == (0, f"downgraded from {EXPECTED_REVISION} to nothing\n")
    assert migrated.run("db check").exit_code == EXIT_FAILED


def test_an_unknown_revision_is_a_sentence(migrated: Host) -> None:
    result = migrated.run("db upgrade --revision dream")
    assert result.exit_code == EXIT_FAILED
    assert "this release knows revisions up to" in result.stderr
    assert "Traceback" not in result.output


def test_bad_settings_come_before_everything(host: Host) -> None:
    host.environ |= {"JWT_SECRET_KEY": "short"}
    for command in ("db upgrade", "db check", "users list"):
        assert host.run(command).exit_code == EXIT_CONFIGURATION
    assert not host.file.exists()


def test_an_account_is_created_with_the_password_of_a_file(migrated: Host) -> None:
    created = migrated.run("users create admin --role admin --password-stdin", f"{PASSWORD}\n")
    assert (created.exit_code, created.output) == (0, "created admin, admin\n")
    account = migrated.account()
    assert check_password_hash(account.password_hash, PASSWORD)
    assert PASSWORD.encode() not in migrated.file.read_bytes()


def test_an_existing_account_keeps_its_password(migrated: Host) -> None:
    migrated.run("users create admin --role admin --password-stdin", PASSWORD)
    before = migrated.account()
    again = migrated.run("users create admin --role viewer --if-absent --password-stdin", "another password")
    assert (again.exit_code, again.output) == (0, "admin is there already; nothing changed\n")
    clash = migrated.run("users create admin --role viewer --password-stdin", "another password")
    assert clash.exit_code == EXIT_FAILED
    assert "there is an account 'admin' already; nothing changed" in clash.stderr
    assert migrated.account() == before


@pytest.mark.parametrize(
    ("name", "password", "reason"),
    [
        ("admin", "eleven char", "take at least 12"),
        ("admin", "", "has 0 characters"),
        ("admin", "x" * 1025, "take at most 1024"),
        ("admin", "first line here\nsecond line here\n", "cannot be typed"),
        ("admin", b"\xff\xfe not text at all", "not UTF-8"),
        ("Admin", PASSWORD, "cannot be a name"),
        ("../admin", PASSWORD, "cannot be a name"),
        ("admin-", PASSWORD, "cannot be a name"),
        ("a" * 33, PASSWORD, "cannot be a name"),
    ],
)
def test_a_name_or_password_that_will_not_do_is_refused(
    migrated: Host, name: str, password: str | bytes, reason: str
) -> None:
    result = migrated.run(f"users create {name} --role admin --password-stdin", password)
    assert result.exit_code == EXIT_FAILED
    assert reason in result.stderr
    assert migrated.accounts() == []


def test_without_a_terminal_the_password_is_not_asked_for(migrated: Host) -> None:
    result = migrated.run("users create admin --role admin")
    assert result.exit_code == EXIT_FAILED
    assert "--password-stdin" in result.stderr


def test_accounts_are_listed_stopped_and_let_in(migrated: Host) -> None:
    for name, role in (("zoe", "viewer"), ("admin", "admin")):
        migrated.run(f"users create {name} --role {role} --password-stdin", PASSWORD)
    assert migrated.run("users disable zoe").output == "zoe can no longer sign in\n"
    assert migrated.run("users list").output == "admin\tadmin\tactive\nzoe\tviewer\tdisabled\n"
    assert migrated.run("users enable zoe").output == "zoe can sign in\n"
    assert migrated.run("users list").output == "admin\tadmin\tactive\nzoe\tviewer\tactive\n"


def test_a_password_is_changed(migrated: Host) -> None:
    migrated.run("users create admin --role admin --password-stdin", PASSWORD)
    changed = migrated.run("users password admin --password-stdin", "another password")
    assert (changed.exit_code, changed.output) == (0, "changed the password of admin; its sessions have ended\n")
    account = migrated.account()
    assert check_password_hash(account.password_hash, "another password")


@pytest.mark.parametrize("command", ["disable nobody", "enable nobody", "password nobody --password-stdin"])
def test_nobody_is_told_apart_from_somebody(migrated: Host, command: str) -> None:
    result = migrated.run(f"users {command}", PASSWORD)
    assert result.exit_code == EXIT_FAILED
    assert "there is no account 'nobody'" in result.stderr

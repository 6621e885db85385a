"""What the database's failures are called, and that they lose nothing."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from sqlalchemy import event, make_url, text

from app.adapters.database import postgresql as our_postgresql
from app.adapters.database import sqlite
from app.adapters.database.engine import Database, open_database
from app.adapters.database.events import DatabaseEventLog
from app.adapters.database.failures import told_plainly
from app.adapters.database.migration import upgrade
from app.adapters.database.prices import DatabasePriceHistory
from app.domain.price.comparison import PriceComparison
from app.services.storage import (
    SchemaMismatchError,
    StorageBusyError,
    StorageDamagedError,
    StorageError,
    StorageFullError,
    StorageNotWritableError,
    StorageUnavailableError,
)
from tests.fakes.swallowing_proxy import SwallowingProxy, swallowing_proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.throwaway_postgresql import ThrowawayPostgresql

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
PRICE = PriceComparison(timestamp=NOW, utxoracle_price=88_000.0, exchange_price=88_800.0, is_valid=True)
NOBODY = 65534


@pytest.fixture
def file() -> Iterator[Path]:
    """Where a database can be that an unprivileged user may look at, unlike in pytest's directory."""
    with tempfile.TemporaryDirectory(prefix="utxoracle-db-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory) / "utxoracle.db"


@pytest.fixture
def on_file(file: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{file}", create=True)
    upgrade(database)
    yield database
    database.close()


@contextmanager
def unprivileged() -> Iterator[None]:
    """Lose root's right to write everywhere, where the tests run as root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def record(database: Database, slot: int = 0) -> int:
    comparison = replace(PRICE, timestamp=NOW + slot * timedelta(minutes=10))
    return DatabasePriceHistory(database, lambda: None).record(comparison, NOW)


def record_at(file: Path, slot: int) -> int:
    with open_database(f"sqlite:///{file}") as database:
        return record(database, slot)


def probe(url: str) -> None:
    with open_database(url) as database:
        database.probe()


def kept(database: Database) -> tuple[int, int]:
    """Return how many rows and events there are."""
    rows = DatabasePriceHistory(database, lambda: None).between(NOW, NOW + timedelta(days=9999))
    return len(rows), len(DatabaseEventLog(database).after(0, 1_000_000))


def test_a_missing_file_is_not_made_on_the_way(file: Path) -> None:
    with pytest.raises(StorageUnavailableError, match=r"there is no database at .*; `utxoracle db upgrade` makes it"):
        probe(f"sqlite:///{file}")
    assert not file.exists()


def test_a_missing_directory_is_named(file: Path) -> None:
    for create in (False, True):
        with pytest.raises(StorageUnavailableError, match=r"the directory .*/nowhere of the database does not exist"):
            open_database(f"sqlite:///{file.parent}/nowhere/utxoracle.db", create=create).probe()


def test_nobody_else_can_read_a_new_database(on_file: Database, file: Path) -> None:
    record(on_file)
    found = {entry.name: entry.stat().st_mode & 0o777 for entry in file.parent.iterdir()}
    assert found == {"utxoracle.db": 0o600, "utxoracle.db-wal": 0o600, "utxoracle.db-shm": 0o600}


def test_an_odd_path_is_taken_literally(file: Path) -> None:
    odd = file.parent / "a b?mode=memory#%41&é.db"
    database = open_database(f"sqlite:///{quote(str(odd))}", create=True)
    upgrade(database)
    record(database)
    database.close()
    assert odd.exists()


def test_a_directory_that_cannot_be_written_is_named(on_file: Database, file: Path) -> None:
    record(on_file)
    on_file.close()
    file.chmod(0o666)
    file.parent.chmod(0o555)
    with unprivileged():
        with pytest.raises(StorageNotWritableError, match=r"directory .* cannot be written by user"):
            record_at(file, slot=1)
        with pytest.raises(StorageNotWritableError, match=r"directory .* cannot be written by user"):
            open_database(f"sqlite:///{file.parent}/other.db", create=True)
    file.parent.chmod(0o755)
    assert kept(on_file) == (1, 1)


def test_a_file_that_cannot_be_written_is_named(on_file: Database, file: Path) -> None:
    record(on_file)
    on_file.close()
    file.chmod(0o444)
    file.parent.chmod(0o777)
    with unprivileged(), pytest.raises(StorageNotWritableError, match=r"utxoracle\.db cannot be written by user"):
        record_at(file, slot=1)
    file.chmod(0o600)
    assert kept(on_file) == (1, 1)


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, file: Path) -> Iterator[Callable[[], None]]:
    """Put the database of `file` on a disk of 2 MB; what is given makes room there.

    Only root can mount; others limit the pages of the database, which SQLite reports alike.
    """
    with open_database(f"sqlite:///{file}", create=True) as database:
        upgrade(database)
    if os.geteuid() != 0:
        yield request.getfixturevalue("few_pages")
        return
    content = file.read_bytes()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(file.parent)], check=True)
    try:
        file.write_bytes(content)
        ballast = file.parent / "ballast"
        ballast.write_bytes(bytes(1_000_000))
        yield ballast.unlink
    finally:
        subprocess.run(["umount", "--lazy", str(file.parent)], check=True)


@pytest.fixture
def few_pages(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    connect = sqlite3.connect
    limit = [150]

    def limited(*arguments: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)  # type: ignore[call-overload]
        connection.execute(f"PRAGMA max_page_count = {limit[0]}")
        return connection

    monkeypatch.setattr(sqlite3.dbapi2, "connect", limited)
    return lambda: limit.__setitem__(0, 100_000)


def test_a_full_disk_loses_nothing_and_writing_goes_on_when_there_is_room(
    small_disk: Callable[[], None], file: Path
) -> None:
    database = open_database(f"sqlite:///{file}")
    recorded = 0
    while recorded < 10_000:
        try:
            record(database, recorded)
        except StorageFullError as error:
            assert "no room left" in str(error)  # noqa: PT017 - how far it gets is not known before
            break
        recorded += 1
    assert 10 < recorded < 10_000
    for _ in range(3):
        with pytest.raises(StorageFullError):
            record(database, recorded)
    assert kept(database) == (recorded, recorded)
    database.close()
    small_disk()
    assert record(database, recorded)
    assert kept(database) == (recorded + 1, recorded + 1)
    with database.reading() as connection:
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    database.close()


def test_a_file_that_is_no_database_is_damaged(file: Path) -> None:
    file.write_bytes(b"no database at all, but long enough to have a header" * 100)
    with pytest.raises(StorageDamagedError, match="is no SQLite database"):
        probe(f"sqlite:///{file}")


def test_a_removed_file_is_noticed_by_connections_that_are_open(on_file: Database, file: Path) -> None:
    on_file.probe()
    for entry in file.parent.iterdir():
        entry.unlink()
    with pytest.raises(StorageUnavailableError, match="there is no database"):
        on_file.probe()


def test_a_replaced_file_is_the_one_that_is_read(on_file: Database, file: Path, tmp_path: Path) -> None:
    record(on_file)
    restored = open_database(f"sqlite:///{tmp_path / 'restored.db'}", create=True)
    upgrade(restored)
    record(restored)
    record(restored, slot=1)
    restored.close()
    on_file.probe()
    for log in file.parent.glob("*-*"):
        log.unlink()
    # Across filesystems a rename would copy into the same file.
    arrived = file.with_name("arrived")
    arrived.write_bytes((tmp_path / "restored.db").read_bytes())
    arrived.rename(file)
    assert kept(on_file) == (2, 2)


def test_a_lock_held_for_too_long_is_busy_and_readers_do_not_care(
    on_file: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "WRITER_PATIENCE_SECONDS", 0.1)
    record(on_file)
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusyError, match="locked for too long"):
            record(on_file, slot=1)
        assert kept(on_file) == (1, 1)
        other.execute("ROLLBACK")
    other.close()
    assert record(on_file, slot=1)


def test_a_writer_waits_for_a_lock_that_is_let_go(
    on_file: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 5:
            other.execute("ROLLBACK")

    monkeypatch.setattr("app.adapters.database.sqlite.time.sleep", wait)
    assert record(on_file)
    assert waits == [0.001, 0.002, 0.004, 0.008, 0.016]
    other.close()


def test_a_log_that_others_are_always_busy_with_is_busy(file: Path) -> None:
    # It gives up after ten seconds of trying.
    error = sqlite3.OperationalError("locking protocol")
    error.sqlite_errorcode = sqlite3.SQLITE_PROTOCOL
    with pytest.raises(StorageBusyError, match="others at work"), told_plainly(make_url(f"sqlite:///{file}")):
        raise error


def test_sqlite_is_set_up_as_we_say(on_file: Database) -> None:
    with on_file.writing() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000, "query_only": 0}


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StorageNotWritableError), database.reading() as connection:
        connection.execute(text("DELETE FROM events"))
    record(database)


def test_a_reader_sees_one_moment(database: Database) -> None:
    record(database)
    with database.reading() as connection:
        count = text("SELECT count(*) FROM price_comparisons")
        assert connection.execute(count).scalar() == 1
        record(database, slot=1)
        assert connection.execute(count).scalar() == 1
    assert kept(database) == (2, 2)


def test_a_dropped_table_is_a_mismatch(database: Database) -> None:
    record(database)
    with database.writing() as connection:
        connection.execute(text("DROP TABLE price_comparisons"))
    with pytest.raises(SchemaMismatchError, match="run `utxoracle db check`"):
        record(database)
    database.probe()


def test_mistakes_of_the_program_stay_what_they_are(database: Database) -> None:
    with pytest.raises(Exception, match="syntax") as mistake, database.reading() as connection:
        connection.execute(text("SELEKT 1"))
    assert not isinstance(mistake.value, StorageError)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:hunter2@host/name",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://user:hunter2@host:port/name",
        "hunter2",
        "",
    ],
)
def test_a_url_that_will_not_do_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(StorageUnavailableError, match=r"DATABASE_URL|postgresql://") as refusal:
        open_database(url)
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_wrong_password_is_told_without_repeating_it(postgresql: ThrowawayPostgresql) -> None:
    with pytest.raises(StorageUnavailableError, match="password authentication failed") as refusal:
        probe(postgresql.url("postgres", password="hunter2"))  # noqa: S106 - wrong by intention
    assert "refused the login of DATABASE_URL" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_a_database_that_postgresql_does_not_have_is_named(postgresql: ThrowawayPostgresql) -> None:
    with pytest.raises(StorageUnavailableError, match='database "nowhere" does not exist'):
        probe(postgresql.url("nowhere"))


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(
        StorageUnavailableError, match=r"PostgreSQL at 127\.0\.0\.1, database name, .*refused"
    ) as refusal:
        probe("postgresql://user:hunter2@127.0.0.1:1/name")
    assert "hunter2" not in str(refusal.value)


def test_a_restarted_server_is_found_again(postgresql: ThrowawayPostgresql) -> None:
    database = open_database(postgresql.new_database())
    upgrade(database)
    record(database)
    postgresql.stop()
    try:
        with pytest.raises(StorageUnavailableError):
            record(database, slot=1)
    finally:
        postgresql.resume()
    assert kept(database) == (1, 1)
    assert record(database, slot=1)
    database.close()


def test_a_connection_cut_in_the_middle_keeps_nothing_of_the_transaction(postgresql: ThrowawayPostgresql) -> None:
    database = open_database(postgresql.new_database())
    upgrade(database)

    event.listen(database.engine, "commit", lambda _connection: postgresql.stop(), once=True)
    try:
        with pytest.raises(StorageUnavailableError):
            record(database)
    finally:
        postgresql.resume()
    assert kept(database) == (0, 0)
    database.close()


def test_a_lock_on_postgresql_is_waited_for_and_then_busy(postgresql: ThrowawayPostgresql) -> None:
    database = open_database(postgresql.new_database())
    upgrade(database)
    with database.writing() as holder:
        holder.execute(text("LOCK TABLE events"))
        with database.writing() as connection:
            connection.execute(text("SET lock_timeout = '100ms'"))
        with pytest.raises(StorageBusyError, match="too busy"):
            record(database)
    database.close()


def test_nothing_waits_for_ever_on_postgresql(postgresql: ThrowawayPostgresql) -> None:
    database = open_database(postgresql.new_database())
    with database.reading() as connection:
        found = {
            name: connection.execute(text(f"SHOW {name}")).scalar()
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "TimeZone")
        }
    assert found == {
        "statement_timeout": "30s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "1min",
        "TimeZone": "UTC",
    }
    database.close()


def test_a_server_that_dies_is_noticed_in_seconds_unless_the_url_says_otherwise(
    postgresql: ThrowawayPostgresql,
) -> None:
    def found(url: str) -> dict[str, str]:
        with open_database(url) as database, database.reading() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            parameters: dict[str, str] = driver.info.get_parameters()
        names = ("connect_timeout", "tcp_user_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count")
        return {name: parameters[name] for name in names}

    ours = {
        "connect_timeout": "5",
        "tcp_user_timeout": "10000",
        "keepalives_idle": "5",
        "keepalives_interval": "5",
        "keepalives_count": "2",
    }
    url = postgresql.new_database()
    assert found(url) == ours
    assert found(f"{url}&tcp_user_timeout=60000&connect_timeout=9") == ours | {
        "tcp_user_timeout": "60000",
        "connect_timeout": "9",
    }


@pytest.fixture
def proxy(postgresql: ThrowawayPostgresql) -> Iterator[SwallowingProxy]:
    with swallowing_proxy(postgresql.directory / ".s.PGSQL.5432") as started:
        yield started


def through(proxy: SwallowingProxy, url: str) -> str:
    direct = make_url(url).difference_update_query(["host"])
    return direct.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)


def test_a_statement_that_is_swallowed_on_the_way_does_not_wait_for_ever(
    postgresql: ThrowawayPostgresql, proxy: SwallowingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(our_postgresql, "STATEMENT_SILENCE_SECONDS", 0.3)
    database = open_database(through(proxy, postgresql.new_database()))
    upgrade(database)
    record(database)
    event.listen(database.engine, "before_cursor_execute", lambda *_: proxy.swallow(), once=True)
    began = time.monotonic()
    with pytest.raises(StorageUnavailableError, match=r"the server has said nothing for 0\.3 s"):
        record(database)
    assert time.monotonic() - began < 3
    proxy.recover()
    assert kept(database) == (1, 1)
    database.close()


def test_connections_that_were_swallowed_meanwhile_are_replaced(
    postgresql: ThrowawayPostgresql, proxy: SwallowingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(our_postgresql, "PROOF_SILENCE_SECONDS", 0.3)
    database = open_database(f"{through(proxy, postgresql.new_database())}?connect_timeout=2")
    upgrade(database)
    proxy.swallow()
    began = time.monotonic()
    with pytest.raises(StorageUnavailableError):
        database.probe()
    assert time.monotonic() - began < 5
    proxy.recover()
    assert record(database)
    database.close()


def test_a_statement_may_take_longer_than_a_proof_and_a_migration_longer_than_a_statement(
    postgresql: ThrowawayPostgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(our_postgresql, "PROOF_SILENCE_SECONDS", 0.2)
    monkeypatch.setattr(our_postgresql, "STATEMENT_SILENCE_SECONDS", 0.6)
    database = open_database(postgresql.new_database())
    with database.reading() as connection:
        connection.execute(text("SELECT pg_sleep(0.4)"))
    with pytest.raises(StorageUnavailableError, match="said nothing"), database.writing() as connection:
        connection.execute(text("SELECT pg_sleep(9)"))
    with database.writing() as connection:
        our_postgresql.take_your_time(connection)
        connection.execute(text("SELECT pg_sleep(0.8)"))
    with pytest.raises(StorageUnavailableError, match="said nothing"), database.writing() as connection:
        connection.execute(text("SELECT pg_sleep(9)"))
    database.close()


def test_two_hosts_that_fill_a_slot_at_once_leave_the_row_of_the_last_event(postgresql: ThrowawayPostgresql) -> None:
    url = postgresql.new_database()
    with open_database(url) as database:
        upgrade(database)
    outcomes = [replace(PRICE, utxoracle_price=80_000.0 + number) for number in range(8)]
    outcomes += [replace(PRICE, utxoracle_price=None, is_valid=False, invalid_reason="node_unreachable")] * 8

    def run(comparison: PriceComparison) -> int:
        with open_database(url) as host:
            return DatabasePriceHistory(host, lambda: None).record(comparison, NOW)

    with ThreadPoolExecutor(len(outcomes)) as hosts:
        event_ids = list(hosts.map(run, outcomes))
    with open_database(url) as database:
        row = DatabasePriceHistory(database, lambda: None).newest()
        events = DatabaseEventLog(database).after(0, 100)
    assert row is not None
    assert row.is_valid
    assert sorted(filter(None, event_ids)) == [each.id for each in events]
    assert events[-1].payload["utxoracle_price"] == row.utxoracle_price
    validity = [each.payload["is_valid"] for each in events]
    assert validity == sorted(validity)

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, exc

from app.adapters.database.events import DatabaseEventLog, append
from app.adapters.database.migration import downgrade, upgrade
from app.adapters.database.tables import EventLogIdentityRow, EventRow
from app.services.event_log import Event
from app.services.storage import SchemaMismatchError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.adapters.database.engine import Database

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


class RunFailedError(Exception):
    """What went wrong after the append."""


@pytest.fixture
def log(database: Database) -> DatabaseEventLog:
    return DatabaseEventLog(database)


def test_an_empty_log_ends_at_0(log: DatabaseEventLog) -> None:
    assert log.last_id() == 0
    assert log.after(0, 10) == []


def test_events_come_back_in_order_a_page_at_a_time(log: DatabaseEventLog, database: Database) -> None:
    events = [
        Event(number, f"type {number}", NOW + timedelta(seconds=number), {"n": [number, None, "ü"]})
        for number in range(1, 6)
    ]
    with database.writing() as connection:
        for event in events:
            assert append(connection, event.type, event.payload, event.created_at) == event.id
    assert log.after(0, 2) == events[:2]
    assert log.after(2, 10) == events[2:]
    assert log.after(5, 10) == []
    assert log.last_id() == 5


def test_news_are_the_identity_and_what_comes_after(log: DatabaseEventLog, database: Database) -> None:
    assert log.news(0, 10) == (log.identity(), [])
    with database.writing() as connection:
        for number in range(3):
            append(connection, "test", {"n": number}, NOW)
    for event_id in range(5):
        for limit in (1, 2, 10):
            assert log.news(event_id, limit) == (log.identity(), log.after(event_id, limit))


def test_the_newest_before_a_moment_is_found_whatever_comes_after_it(log: DatabaseEventLog, database: Database) -> None:
    assert log.last_before(NOW) == 0
    with database.writing() as connection:
        for hours in (-30, -25, -25, -24, -1):
            append(connection, "test", {}, NOW + timedelta(hours=hours))
    assert log.last_before(NOW - timedelta(hours=30)) == 0
    assert log.last_before(NOW - timedelta(hours=24)) == 3
    assert log.last_before(NOW - timedelta(hours=24) + timedelta(microseconds=1)) == 4
    assert log.last_before(NOW) == 5


def test_an_event_is_not_there_before_its_transaction_ends(log: DatabaseEventLog, database: Database) -> None:
    with database.writing() as connection:
        append(connection, "test", {}, NOW)
        assert log.last_id() == 0
    assert log.last_id() == 1


def test_the_event_of_a_failed_transaction_never_happened(log: DatabaseEventLog, database: Database) -> None:
    with pytest.raises(RunFailedError), database.writing() as connection:
        _append_and_fail(connection)
    assert log.after(0, 10) == []


def _append_and_fail(connection: Connection) -> None:
    append(connection, "test", {}, NOW)
    raise RunFailedError


def test_an_id_is_never_used_twice_whatever_is_removed(log: DatabaseEventLog, database: Database) -> None:
    given = []
    for _ in range(3):
        with database.writing() as connection:
            given.append(append(connection, "test", {}, NOW))
        with database.writing() as connection:
            connection.execute(delete(EventRow))
    assert given == sorted(set(given))
    assert log.last_id() == 0


def test_a_payload_that_is_no_json_is_refused(log: DatabaseEventLog, database: Database) -> None:
    with pytest.raises((exc.StatementError, ValueError), match="JSON compliant"), database.writing() as connection:
        append(connection, "test", {"price": float("nan")}, NOW)
    assert log.last_id() == 0


def test_the_log_keeps_its_identity_and_a_new_one_has_another(log: DatabaseEventLog, database: Database) -> None:
    identity = log.identity()
    assert identity == DatabaseEventLog(database).identity()
    downgrade(database, "base")
    upgrade(database)
    assert log.identity() != identity


def test_a_log_that_lost_its_identity_says_so(log: DatabaseEventLog, database: Database) -> None:
    with database.writing() as connection:
        connection.execute(delete(EventLogIdentityRow))
    with pytest.raises(SchemaMismatchError, match="event_log_identity"):
        log.identity()


def test_a_follower_beside_three_writing_processes_misses_nothing(
    log: DatabaseEventLog, database_url: str, request: pytest.FixtureRequest
) -> None:
    """An id that became visible after a higher one would be passed over for good."""
    each = 150
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.adapters.event_appender", database_url, name, str(each)],
            cwd=request.config.rootpath,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two", "three")
    ]
    followed: list[Event] = []
    while any(writer.poll() is None for writer in writers):
        followed += log.after(followed[-1].id if followed else 0, 1000)
    followed += log.after(followed[-1].id if followed else 0, 1000)
    errors = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0], errors
    assert len(followed) == 3 * each
    assert [event.id for event in followed] == sorted({event.id for event in followed})
    assert followed == log.after(0, 10_000)
    for name in ("one", "two", "three"):
        numbers = [event.payload["number"] for event in followed if event.payload["writer"] == name]
        assert numbers == list(range(each))

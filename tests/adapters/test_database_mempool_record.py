"""What the detector last saw waiting, as it is kept; and whether it still counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from app.adapters.database.heartbeats import DatabaseHeartbeats
from app.adapters.database.mempool_record import DatabaseMempoolRecord
from app.adapters.database.tables import FeeSnapshotRow
from app.domain.mempool.sight import MempoolSight
from app.services.detector_report import DetectorView
from app.services.detector_sight import DetectorSight
from app.services.heartbeats import Heartbeat

if TYPE_CHECKING:
    from app.adapters.database.engine import Database

NOW = datetime(2026, 11, 28, 9, 20, tzinfo=UTC)
SEEN = MempoolSight(5_300, 2_900_000)


def keep(database: Database, seconds_ago: float, sight: MempoolSight = SEEN) -> None:
    """Keep what the detector saw so long ago."""
    row = {
        "taken_at": NOW - timedelta(seconds=seconds_ago),
        "source": "stream",
        "tip_height": 900_000,
        "transaction_count": sight.transaction_count,
        "mempool_vsize_vb": sight.vsize_vb,
        "histogram": [],
        "projected_blocks": [],
    }
    with database.writing() as connection:
        connection.execute(insert(FeeSnapshotRow).values(row))


def beat(database: Database, seconds_ago: float = 0, **figures: object) -> None:
    detail = {"problems": {}, **figures}
    DatabaseHeartbeats(database).beat(Heartbeat("detector", "here", NOW - timedelta(seconds=seconds_ago), "ok", detail))


def sight(database: Database) -> MempoolSight | None:
    view = DetectorView(DatabaseHeartbeats(database), lambda: NOW)
    return DetectorSight(view, DatabaseMempoolRecord(database), lambda: NOW).now()


def test_the_newest_is_what_was_seen_last_and_there_may_be_none(database: Database) -> None:
    record = DatabaseMempoolRecord(database)
    assert record.newest() is None
    keep(database, 5)
    keep(database, 605, MempoolSight(1, 141))
    assert record.newest() == (NOW - timedelta(seconds=5), SEEN)


def test_a_detector_at_work_sees_what_it_last_wrote_down(database: Database) -> None:
    keep(database, 29)
    beat(database, unread=0)
    assert sight(database) == SEEN


@pytest.mark.parametrize(
    ("taken_seconds_ago", "beat_seconds_ago", "unread"),
    [
        pytest.param(31, 0, 0, id="it was seen too long ago"),
        pytest.param(5, 31, 0, id="the detector is silent"),
        pytest.param(5, 0, 7, id="some of it is still to be looked at"),
    ],
)
def test_what_is_old_or_not_all_counts_for_nothing(
    database: Database, taken_seconds_ago: float, beat_seconds_ago: float, unread: int
) -> None:
    keep(database, taken_seconds_ago)
    beat(database, beat_seconds_ago, unread=unread)
    assert sight(database) is None


def test_a_detector_that_was_never_at_work_sees_nothing(database: Database) -> None:
    keep(database, 5)
    assert sight(database) is None


def test_a_database_that_cannot_be_read_is_no_fault_of_electrs(empty_database: Database) -> None:
    assert sight(empty_database) is None

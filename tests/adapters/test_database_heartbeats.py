from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from app.adapters.database.heartbeats import DatabaseHeartbeats
from app.services.heartbeats import Heartbeat

if TYPE_CHECKING:
    from app.adapters.database.engine import Database

NOW = datetime(2026, 11, 28, 8, tzinfo=UTC)
WELL = Heartbeat("detector", "one", NOW, "ok", {"whales": 3})
ILL = Heartbeat("detector", "one", NOW + timedelta(seconds=5), "degraded", {"reason": "polling"})


@pytest.fixture
def heartbeats(database: Database) -> DatabaseHeartbeats:
    return DatabaseHeartbeats(database)


def test_a_service_that_was_never_at_work_has_no_heartbeat(heartbeats: DatabaseHeartbeats) -> None:
    assert heartbeats.last("detector") is None


def test_each_heartbeat_takes_the_place_of_the_one_before(heartbeats: DatabaseHeartbeats) -> None:
    for each in (WELL, ILL):
        heartbeats.beat(each)
        assert heartbeats.last("detector") == each
    assert heartbeats.last("websocket") is None


def test_the_newest_of_several_hosts_speaks_for_the_service(heartbeats: DatabaseHeartbeats) -> None:
    elsewhere = Heartbeat("detector", "two", NOW + timedelta(seconds=9), "failed", {})
    for each in (elsewhere, ILL):
        heartbeats.beat(each)
    assert heartbeats.last("detector") == elsewhere

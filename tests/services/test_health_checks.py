"""What each check of health says, by the state of the part it looks at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.adapters.database.engine import Database
from app.adapters.database.heartbeats import DatabaseHeartbeats
from app.adapters.database.prices import DatabasePriceHistory
from app.domain.mempool.sight import MempoolSight
from app.domain.price.comparison import PriceComparison, slot_of
from app.services.block_source import NodeStatus
from app.services.detector_report import DetectorView
from app.services.health import DegradedError, SkippedError
from app.services.health_checks import CRITICAL, HealthChecks
from app.services.heartbeats import Heartbeat
from app.services.mempool_cross_check import CrossCheck
from app.services.price_view import PriceView
from app.services.storage import StorageError

NOW = datetime(2026, 11, 24, 12, 4, tzinfo=UTC)
NAMES = [
    *("database", "schema", "bitcoind", "mempool_stream", "websocket", "integration"),
    *("data_freshness", "electrs", "mempool_backend", "webhooks", "memory", "disk"),
]


OURS, THEIRS = MempoolSight(5_300, 2_900_000), MempoolSight(5_310, 2_905_000)


@dataclass
class Surroundings:
    """Everything that is no database, as a test wants it."""

    network: str = "main"
    syncing: bool = False
    used: int | None = 100_000_000
    available: int | None = 1_000_000_000
    free: int | None = 10_000_000_000
    ours: MempoolSight | None = OURS
    theirs: MempoolSight | None = THEIRS
    passed_seconds: float = 0

    def status(self) -> NodeStatus:
        return NodeStatus(self.network, 900_000, self.syncing)

    def handshake(self) -> None:
        return None

    def probe(self) -> str:
        return "well"

    def waiting(self, within_seconds: float) -> MempoolSight | None:
        assert within_seconds < 2
        return self.theirs

    def detector_sees(self) -> MempoolSight | None:
        return self.ours

    def seconds(self) -> float:
        return self.passed_seconds

    def process_bytes(self) -> int | None:
        return self.used

    def available_bytes(self) -> int | None:
        return self.available

    def free_disk_bytes(self) -> int | None:
        return self.free


def checks(
    database: Database,
    *,
    is_stream_wanted: bool = True,
    **surroundings: Any,  # noqa: ANN401 - of Surroundings
) -> HealthChecks:
    return checks_among(Surroundings(**surroundings), database, is_stream_wanted=is_stream_wanted)


def checks_among(around: Surroundings, database: Database, *, is_stream_wanted: bool = True) -> HealthChecks:
    return HealthChecks(
        storage=database,
        prices=PriceView(DatabasePriceHistory(database, ring=lambda: None), lambda: NOW),
        node=around,
        network="main",
        detector=DetectorView(DatabaseHeartbeats(database), lambda: NOW, is_stream_wanted=is_stream_wanted),
        stream=around,
        electrs=around,
        mempool_backend=around,
        cross_check=CrossCheck(around.detector_sees, around.seconds),
        machine=around,
        memory_limit_mb=500,
    )


def keep(database: Database, minutes_ago: int, *, is_valid: bool = True) -> None:
    reason = None if is_valid else "node_unreachable"
    price = 100_000.0 if is_valid else None
    row = PriceComparison(
        timestamp=slot_of(NOW - timedelta(minutes=minutes_ago)),
        utxoracle_price=price,
        is_valid=is_valid,
        invalid_reason=reason,
    )
    DatabasePriceHistory(database, ring=lambda: None).record(row, NOW)


def test_there_is_every_check_of_the_contract(database: Database) -> None:
    assert list(checks(database).all()) == NAMES
    assert set(NAMES) >= CRITICAL


def test_parts_that_do_not_exist_yet_are_skipped(database: Database) -> None:
    with pytest.raises(SkippedError):
        checks(database).all()["webhooks"]()


FIGURES: dict[str, Any] = {
    "source": "stream",
    "followed": 12,
    "most_followed": 10_000,
    "let_go": 0,
    "waiting": 5_300,
    "unread": 0,
    "blocks_to_read": 0,
    "lost_blocks": 0,
    "lost_messages": 0,
    "tip_height": 900_000,
}


def say(database: Database, seconds_ago: float = 0, problems: dict[str, str] | None = None, **figures: object) -> None:
    """Give the detector's sign of life; `figures` differ from those of a detector that is well."""
    beat_at = NOW - timedelta(seconds=seconds_ago)
    detail = {**FIGURES, **figures, "problems": problems or {}}
    DatabaseHeartbeats(database).beat(Heartbeat("detector", "here", beat_at, "degraded" if problems else "ok", detail))


def test_a_detector_at_work_says_what_it_does(database: Database) -> None:
    say(database, seconds_ago=30)
    assert checks(database).mempool_stream() == "stream, 12 whales followed, 5,300 transactions waiting"


def test_a_detector_that_was_told_to_do_without_the_stream_is_well(database: Database) -> None:
    say(database, source="polling")
    assert (
        checks(database, is_stream_wanted=False).mempool_stream()
        == "polling, 12 whales followed, 5,300 transactions waiting"
    )


def test_a_detector_that_has_only_just_begun_is_not_well_before_it_hears_the_stream(database: Database) -> None:
    say(database, source="polling")
    with pytest.raises(DegradedError, match="the node's ZMQ stream is not heard yet; polling"):
        checks(database).mempool_stream()


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"unread": 1_200}, "1,200 of them still to be looked at"),
        ({"blocks_to_read": 3}, "3 blocks still to be read"),
        ({"let_go": 40}, "40 whales let go for want of room"),
        ({"lost_blocks": 2}, "2 blocks lost, which the node could not give"),
        ({"lost_messages": 7}, "7 messages lost and made up for"),
        ({"lost_messages": 1}, "1 message lost and made up for"),
    ],
)
def test_what_a_detector_catches_up_on_and_what_it_could_not_keep_is_told(
    database: Database, figures: dict[str, Any], told: str
) -> None:
    say(database, **figures)
    assert checks(database).mempool_stream().endswith(f"transactions waiting, {told}")


def test_a_detector_with_problems_is_degraded_and_all_of_them_are_told(database: Database) -> None:
    problems = {"stream": "there is no connection to the node's ZMQ stream; polling", "memory": "memory is short"}
    say(database, problems=problems, source="polling")
    with pytest.raises(DegradedError) as told:
        checks(database).mempool_stream()
    assert str(told.value).startswith(f"{problems['stream']}; memory is short (polling, 12 whales")


def test_a_detector_that_has_never_reached_the_node_says_why(database: Database) -> None:
    detail = {"problems": {"node": "bitcoind does not answer"}}
    DatabaseHeartbeats(database).beat(Heartbeat("detector", "here", NOW, "degraded", detail))
    with pytest.raises(DegradedError, match="bitcoind does not answer \\(nothing is known of the mempool yet\\)"):
        checks(database).mempool_stream()


def test_a_detector_that_was_never_at_work_is_missed(database: Database) -> None:
    with pytest.raises(
        DegradedError, match="has not been at work yet; see `systemctl status utxoracle-detector` and its log"
    ):
        checks(database).mempool_stream()


def test_a_detector_that_falls_silent_is_an_error_and_its_last_words_are_not_believed(database: Database) -> None:
    say(database, seconds_ago=31)
    with pytest.raises(
        RuntimeError, match="said nothing for 31 s; see `systemctl status utxoracle-detector` and its log"
    ):
        checks(database).mempool_stream()


def test_electrs_and_mempool_say_how_what_they_see_compares_with_what_the_detector_sees(database: Database) -> None:
    found = checks(database).all()
    for name in ("electrs", "mempool_backend"):
        assert found[name]() == "well, sees 5,310 waiting transactions, the detector 5,300"


def test_a_detector_that_sees_another_mempool_than_electrs_and_mempool_is_degraded(database: Database) -> None:
    say(database)
    around = Surroundings(theirs=MempoolSight(110_000, 52_000_000))
    found = checks_among(around, database).all()
    for around.passed_seconds in range(0, 61, 5):
        assert found["electrs"]()
        assert found["mempool_backend"]()
    assert found["mempool_stream"]() == "stream, 12 whales followed, 5,300 transactions waiting"
    around.passed_seconds = 65
    with pytest.raises(DegradedError, match=r"electrs sees 110,000 .* restart utxoracle-detector \(stream, 12 whales"):
        found["mempool_stream"]()


def test_a_clock_that_was_set_back_makes_nobody_silent(database: Database) -> None:
    say(database, seconds_ago=-3600)
    assert checks(database).mempool_stream()


def test_a_database_without_tables_fails_the_schema_and_says_what_to_do(empty_database: Database) -> None:
    assert checks(empty_database).database() == "can be read"
    with pytest.raises(StorageError, match="utxoracle db upgrade"):
        checks(empty_database).schema()


def test_the_node_must_be_on_the_network_of_the_settings_and_have_caught_up(database: Database) -> None:
    assert checks(database).bitcoind() == "main at height 900000"
    with pytest.raises(RuntimeError, match="BITCOIN_NETWORK says main"):
        checks(database, network="regtest").bitcoind()
    with pytest.raises(RuntimeError, match="initial block download"):
        checks(database, syncing=True).bitcoind()


def test_without_any_history_all_is_well(database: Database) -> None:
    assert checks(database).integration() == "no run has written a row yet"
    assert checks(database).data_freshness() == "there is no price yet"


def test_recent_rows_are_well(database: Database) -> None:
    keep(database, 12)
    assert checks(database).integration() == "the last row is 14 minutes old"
    assert checks(database).data_freshness() == "the newest valid price is of 11:50 UTC"


def test_runs_that_stopped_are_degraded(database: Database) -> None:
    keep(database, 60)
    with pytest.raises(DegradedError, match="64 minutes old"):
        checks(database).integration()
    with pytest.raises(DegradedError):
        checks(database).data_freshness()


def test_rows_without_a_price_are_runs_but_no_prices(database: Database) -> None:
    keep(database, 60)
    keep(database, 10, is_valid=False)
    assert checks(database).integration()
    with pytest.raises(DegradedError, match="node_unreachable"):
        checks(database).data_freshness()


def test_one_invalid_row_does_not_hide_the_valid_one_before_it(database: Database) -> None:
    keep(database, 12)
    keep(database, 2, is_valid=False)
    assert checks(database).data_freshness() == "the newest valid price is of 11:50 UTC"


def test_memory_near_the_limit_is_degraded_and_unknown_memory_skipped(database: Database) -> None:
    assert checks(database, available=None).memory() == "100 of 500 MB used"
    with pytest.raises(DegradedError, match="MEMORY_LIMIT_MB"):
        checks(database, used=460_000_000).memory()
    with pytest.raises(SkippedError):
        checks(database, used=None).memory()


def test_a_full_disk_is_degraded_and_an_unknown_one_skipped(database: Database) -> None:
    assert checks(database).disk() == "10000 MB free"
    with pytest.raises(DegradedError, match="make room"):
        checks(database, free=900_000_000).disk()
    with pytest.raises(SkippedError):
        checks(database, free=None).disk()

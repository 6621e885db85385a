"""What each check of health says, by the state of the part it looks at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.adapters.database.engine import Database
from app.adapters.database.prices import DatabasePriceHistory
from app.domain.price.comparison import PriceComparison, slot_of
from app.services.block_source import NodeStatus
from app.services.health import DegradedError, SkippedError
from app.services.health_checks import CRITICAL, HealthChecks
from app.services.price_view import PriceView
from app.services.storage import StorageError

NOW = datetime(2026, 11, 24, 12, 4, tzinfo=UTC)
NAMES = [
    *("database", "schema", "bitcoind", "mempool_stream", "websocket", "integration"),
    *("data_freshness", "electrs", "mempool_backend", "webhooks", "memory", "disk"),
]


@dataclass
class Surroundings:
    """Everything that is no database, as a test wants it."""

    network: str = "main"
    syncing: bool = False
    used: int | None = 100_000_000
    available: int | None = 1_000_000_000
    free: int | None = 10_000_000_000

    def status(self) -> NodeStatus:
        return NodeStatus(self.network, 900_000, self.syncing)

    def handshake(self) -> None:
        return None

    def probe(self) -> str:
        return "well"

    def process_bytes(self) -> int | None:
        return self.used

    def available_bytes(self) -> int | None:
        return self.available

    def free_disk_bytes(self) -> int | None:
        return self.free


def checks(database: Database, **surroundings: Any) -> HealthChecks:  # noqa: ANN401 - of Surroundings
    around = Surroundings(**surroundings)
    return HealthChecks(
        storage=database,
        prices=PriceView(DatabasePriceHistory(database, ring=lambda: None), lambda: NOW),
        node=around,
        network="main",
        stream=around,
        electrs=around,
        mempool_backend=around,
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
    for name in ("mempool_stream", "webhooks"):
        with pytest.raises(SkippedError):
            checks(database).all()[name]()


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

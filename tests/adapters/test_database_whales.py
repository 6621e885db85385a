"""What the detector writes and what it finds again, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text

from app.adapters.database.engine import open_database
from app.adapters.database.events import DatabaseEventLog
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.database.tables import Base, BlockFlowRow, FeeSnapshotRow, PredictionOutcomeRow, WhaleRow
from app.adapters.database.whales import DatabaseWhales
from app.domain.price.comparison import PriceComparison
from app.services.whales.whale_store import (
    BlockFlow,
    Changes,
    FeeSnapshot,
    Remembered,
    Sighting,
    Whale,
    WhalePrediction,
)

if TYPE_CHECKING:
    from app.adapters.database.engine import Database

NOW = datetime(2026, 11, 28, 8, 3, 20, tzinfo=UTC)
TABLES: tuple[type[Base], ...] = (WhaleRow, PredictionOutcomeRow, BlockFlowRow, FeeSnapshotRow)


def hash_of(number: int) -> str:
    return f"{number:064x}"


def whale(number: int, **changed: Any) -> Whale:  # noqa: ANN401 - as replace() takes them
    found = Whale(
        txid=hash_of(number),
        timestamp=NOW + timedelta(seconds=number),
        detected_at=NOW + timedelta(seconds=number, milliseconds=5),
        prediction_id=f"p{number}",
        value_sat=25_000_000_000,
        moved_sat=20_000_000_000,
        inputs_resolved=True,
        vsize_vb=141,
        fee_sat=71,
        fee_rate=0.5,
        is_rbf=True,
        kind="transfer",
        flow_type="inflow",
        exchange_labels=["an exchange"],
        urgency_score=0.75,
        urgency_level="high",
        status="pending",
        replaced_by=None,
        left_at=None,
        predicted_block=102,
        tip_height=100,
        ahead_vb=400_000,
        block_height=None,
        block_hash=None,
        confirmed_at=None,
        source="stream",
        usd_value=17_000_000.0,
        outpoints=[f"{hash_of(number + 1_000_000)}:1"],
    )
    return replace(found, **changed)


def prediction(number: int, **changed: Any) -> WhalePrediction:  # noqa: ANN401 - as replace() takes them
    made = WhalePrediction(
        prediction_id=f"p{number}",
        txid=hash_of(number),
        final_txid=hash_of(number),
        predicted_at=NOW + timedelta(seconds=number),
        tip_height=100,
        predicted_block=102,
        earliest_block=101,
        latest_block=104,
        next_block_probability=0.3,
        urgency_score=0.75,
        feerate_sat_vb=0.5,
        ahead_vb=400_000,
        inputs={"distribution": [0.3, 0.5, 0.2]},
        baseline_block=None,
        outcome="pending",
        outcome_block=None,
        resolved_at=None,
        on_time=None,
    )
    return replace(made, **changed)


def sighting(number: int, **changed: Any) -> Sighting:  # noqa: ANN401 - as replace() takes them
    found = whale(number, **changed)
    return Sighting(whale=found, prediction=prediction(number), event=("whale_alert", {"txid": found.txid}))


def block(height: int, fork: int = 0, **changed: Any) -> BlockFlow:  # noqa: ANN401 - as replace() takes them
    looked_through = BlockFlow(
        block_hash=hash_of(10_000 * (fork + 1) + height),
        block_height=height,
        block_time=NOW,
        is_connected=True,
        whale_count=1,
        inflow_sat=20_000_000_000,
        outflow_sat=0,
        internal_sat=0,
        unknown_sat=0,
        created_at=NOW,
    )
    return replace(looked_through, **changed)


def fees(taken_at: datetime, transaction_count: int = 3) -> FeeSnapshot:
    return FeeSnapshot(
        taken_at=taken_at,
        source="node",
        tip_height=100,
        transaction_count=transaction_count,
        mempool_vsize_vb=700,
        next_block_feerate_sat_vb=0.5,
        economy_feerate_sat_vb=None,
        histogram=[{"feerate_sat_vb": 0.5, "vsize_vb": 700}],
        projected_blocks=[],
    )


class Bell:
    """Notes, at each ring, up to where a follower that reads at once would find the log."""

    def __init__(self, database: Database) -> None:
        self._log = DatabaseEventLog(database)
        self.heard: list[int] = []

    def ring(self) -> None:
        self.heard.append(self._log.last_id())


@pytest.fixture
def bell(database: Database) -> Bell:
    return Bell(database)


@pytest.fixture
def store(database: Database, bell: Bell) -> DatabaseWhales:
    return DatabaseWhales(database, bell.ring, lambda: NOW)


def told(database: Database) -> list[tuple[str, Any]]:
    return [(event.type, event.payload) for event in DatabaseEventLog(database).after(0, 10_000)]


def counts(database: Database) -> list[int]:
    with database.reading() as connection:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES]


def test_nothing_to_write_wakes_nobody_and_nothing_is_remembered(store: DatabaseWhales, bell: Bell) -> None:
    store.write(Changes(at=NOW))
    assert bell.heard == []
    assert store.remembered(100) == Remembered(whales=[], chain=[])
    assert store.find([hash_of(1)]) == {}
    assert store.predictions_of([]) == []
    assert store.predictions([]) == []


def test_a_sighting_is_found_again_as_it_was_and_told_of_once(
    store: DatabaseWhales, database: Database, bell: Bell
) -> None:
    store.write(Changes(at=NOW, sightings=[sighting(1)]))
    assert store.find([hash_of(1), hash_of(2)]) == {hash_of(1): whale(1)}
    assert store.predictions_of([hash_of(1)]) == [prediction(1)]
    assert store.predictions(["p1", "p2"]) == [prediction(1)]
    assert told(database) == [("whale_alert", {"txid": hash_of(1)})]
    assert DatabaseEventLog(database).after(0, 1)[0].created_at == NOW
    assert bell.heard == [1]
    with database.reading() as connection:
        assert connection.execute(select(WhaleRow.btc_value)).scalar_one() == 200.0


def test_a_whale_without_figures_is_kept_as_well(store: DatabaseWhales) -> None:
    unknown = whale(
        1,
        prediction_id=None,
        fee_sat=None,
        fee_rate=None,
        urgency_score=None,
        urgency_level=None,
        predicted_block=None,
        tip_height=None,
        ahead_vb=None,
        usd_value=None,
        inputs_resolved=False,
        status="missed",
        block_height=101,
        block_hash=hash_of(7),
        confirmed_at=NOW,
    )
    store.write(Changes(at=NOW, sightings=[Sighting(whale=unknown, prediction=None, event=None)]))
    assert store.find([hash_of(1)]) == {hash_of(1): unknown}


def test_events_come_in_their_order_those_of_sightings_first(store: DatabaseWhales, database: Database) -> None:
    order = [5, 3, 9, 1]
    store.write(
        Changes(
            at=NOW,
            sightings=[sighting(number) for number in order],
            events=[("status_update", {"n": 1}), ("fee_update", {"n": 2}), ("reorg", {"n": 3})],
        )
    )
    assert [payload.get("txid", payload.get("n")) for _, payload in told(database)] == [
        *map(hash_of, order),
        *(1, 2, 3),
    ]


def test_a_whale_seen_again_writes_nothing_of_the_second_sighting(
    store: DatabaseWhales, database: Database, bell: Bell
) -> None:
    store.write(Changes(at=NOW, sightings=[sighting(1)]))
    again = Sighting(
        whale=whale(1, source="snapshot", prediction_id="p7"),
        prediction=prediction(7, txid=hash_of(1)),
        event=("whale_alert", {"txid": "again"}),
    )
    store.write(Changes(at=NOW, sightings=[again]))
    store.write(Changes(at=NOW, sightings=[again, sighting(2), sighting(2)]))
    assert store.find([hash_of(1)])[hash_of(1)] == whale(1)
    assert told(database) == [("whale_alert", {"txid": hash_of(number)}) for number in (1, 2)]
    assert counts(database)[:2] == [2, 2]
    assert bell.heard == [1, 2]


def test_detectors_of_two_nodes_alert_each_whale_once(database: Database, database_url: str) -> None:
    """Both see the same whales, in different orders, at the same time."""
    ways = [list(range(200)), list(reversed(range(200)))]
    databases = [open_database(database_url) for _ in ways]

    def see(opened: Database, numbers: list[int]) -> None:
        for start in range(0, 200, 20):
            batch = [sighting(number) for number in numbers[start : start + 20]]
            DatabaseWhales(opened, lambda: None).write(Changes(at=NOW, sightings=batch))

    with ThreadPoolExecutor(len(ways)) as threads:
        for done in [threads.submit(see, *each) for each in zip(databases, ways, strict=True)]:
            done.result()
    for opened in databases:
        opened.close()
    assert sorted(payload["txid"] for _, payload in told(database)) == [hash_of(number) for number in range(200)]
    assert counts(database)[:2] == [200, 200]


def test_what_another_detector_predicted_later_is_not_scored_too(store: DatabaseWhales) -> None:
    store.write(Changes(at=NOW, sightings=[sighting(1)]))
    of_the_other = prediction(2, txid=hash_of(1), final_txid=hash_of(1))
    theirs = whale(1, prediction_id="p2", predicted_block=109, source="snapshot", status="confirmed")
    store.write(Changes(at=NOW, whales=[theirs], predictions=[of_the_other]))
    assert store.find([hash_of(1)]) == {hash_of(1): whale(1, status="confirmed")}
    assert store.predictions_of([hash_of(1)]) == [prediction(1)]


def test_a_whale_and_its_prediction_are_brought_to_their_present_state(
    store: DatabaseWhales, database: Database
) -> None:
    store.write(Changes(at=NOW, sightings=[sighting(1), sighting(2)]))
    mined = whale(1, status="confirmed", block_height=101, block_hash=hash_of(8), confirmed_at=NOW, left_at=NOW)
    outcome = prediction(1, baseline_block=101, outcome="confirmed", outcome_block=101, resolved_at=NOW, on_time=True)
    store.write(
        Changes(at=NOW, whales=[mined], predictions=[outcome], events=[("status_update", {"txid": mined.txid})])
    )
    assert store.find([hash_of(1), hash_of(2)]) == {hash_of(1): mined, hash_of(2): whale(2)}
    assert store.predictions_of([hash_of(1)]) == [outcome]
    assert len(told(database)) == 3


def test_a_prediction_follows_its_chain_of_replacements(store: DatabaseWhales) -> None:
    store.write(Changes(at=NOW, sightings=[sighting(1)]))
    bumped = Sighting(whale=whale(2, prediction_id="p1"), prediction=None, event=None)
    store.write(
        Changes(
            at=NOW,
            sightings=[bumped],
            whales=[whale(1, status="replaced", replaced_by=hash_of(2))],
            predictions=[prediction(1, final_txid=hash_of(2))],
        )
    )
    assert store.predictions_of([hash_of(1)]) == []
    assert store.predictions_of([hash_of(2)]) == [prediction(1, final_txid=hash_of(2))]
    assert store.remembered(6).whales == [whale(2, prediction_id="p1")]


def test_whales_that_a_restored_database_has_lost_are_written_anew(store: DatabaseWhales) -> None:
    store.write(Changes(at=NOW, whales=[whale(1)], predictions=[prediction(1)]))
    assert store.find([hash_of(1)]) == {hash_of(1): whale(1)}
    assert store.predictions_of([hash_of(1)]) == [prediction(1)]


def test_the_last_state_of_one_that_changed_twice_is_kept(store: DatabaseWhales) -> None:
    store.write(Changes(at=NOW, sightings=[sighting(1)]))
    store.write(Changes(at=NOW, whales=[whale(1, status="dropped"), whale(1, status="confirmed")]))
    assert store.find([hash_of(1)])[hash_of(1)].status == "confirmed"


def test_what_is_remembered_is_what_waits_and_no_whale_of_a_block(store: DatabaseWhales) -> None:
    chain = [block(height) for height in (97, 98, 99, 100)]
    stale = block(100, fork=1, is_connected=False)

    def mined(number: int, place: BlockFlow) -> Sighting:
        found = sighting(number, status="confirmed", block_height=place.block_height, block_hash=place.block_hash)
        return replace(found, event=None)

    waiting = sighting(1)
    ended = [sighting(6, status="dropped"), sighting(7, status="replaced"), sighting(8, status="expired")]
    missed = Sighting(
        whale=whale(9, status="missed", prediction_id=None, block_height=99, block_hash=chain[2].block_hash),
        prediction=None,
        event=None,
    )
    store.write(
        Changes(
            at=NOW,
            sightings=[
                waiting,
                mined(2, chain[3]),
                mined(3, chain[1]),
                mined(4, chain[0]),
                mined(5, stale),
                *ended,
                missed,
            ],
            blocks=[*chain, stale],
        )
    )
    assert [each.txid for each in store.whales_in(chain[2].block_hash)] == [hash_of(9)]
    assert store.whales_in(hash_of(1)) == []
    remembered = store.remembered(3)
    assert remembered.chain == [(each.block_height, each.block_hash) for each in chain[1:]]
    assert [each.txid for each in remembered.whales] == [hash_of(1)]


def test_those_that_ended_and_pay_out_little_are_found_the_newest_last_and_of_too_many_these(
    store: DatabaseWhales,
) -> None:
    small = [sighting(number, status="dropped", value_sat=99, moved_sat=9) for number in (3, 1, 2)]
    others = [
        sighting(4, value_sat=99, moved_sat=9),
        sighting(5, status="confirmed", value_sat=100, moved_sat=9),
        sighting(6, status="replaced", value_sat=99, moved_sat=9, timestamp=NOW - timedelta(days=1)),
        sighting(7, status="confirmed", value_sat=99, moved_sat=9, block_height=100, block_hash=hash_of(100)),
    ]
    store.write(Changes(at=NOW, sightings=[*small, *others]))
    assert [each.txid for each in store.ended_below(100, NOW, 10)] == [hash_of(number) for number in (1, 2, 3)]
    assert [each.txid for each in store.ended_below(100, NOW, 2)] == [hash_of(number) for number in (2, 3)]
    assert store.ended_below(99, NOW, 10) == []


def test_those_that_wait_are_gone_through_in_pages_oldest_first(store: DatabaseWhales) -> None:
    at_once = [sighting(number, timestamp=NOW) for number in (8, 6, 7)]
    ended = [sighting(number, status="dropped") for number in (2, 5)]
    store.write(Changes(at=NOW, sightings=[sighting(3), sighting(1), *at_once, *ended]))
    found: list[Whale] = []
    while page := store.pending_after(found[-1] if found else None, 2):
        assert len(page) <= 2
        found += page
    assert [each.txid for each in found] == [hash_of(number) for number in (6, 7, 8, 1, 3)]


def test_a_disconnected_block_stays_marked_as_such(store: DatabaseWhales, database: Database) -> None:
    store.write(Changes(at=NOW, blocks=[block(100), block(101)]))
    store.write(
        Changes(at=NOW, blocks=[block(101, is_connected=False, whale_count=0), block(101, fork=1), block(102, fork=1)])
    )
    assert store.remembered(9).chain == [
        (each.block_height, each.block_hash) for each in (block(100), block(101, fork=1), block(102, fork=1))
    ]
    assert counts(database)[2] == 4


def test_fees_take_one_row_for_ten_minutes_that_moves_on(store: DatabaseWhales, database: Database) -> None:
    start = NOW.replace(minute=0, second=0)
    for second in range(0, 1800, 45):
        store.write(Changes(at=NOW, fees=fees(start + timedelta(seconds=second), second)))
    with database.reading() as connection:
        rows = connection.execute(
            select(FeeSnapshotRow.taken_at, FeeSnapshotRow.transaction_count).order_by(FeeSnapshotRow.taken_at)
        ).all()
    assert [tuple(row) for row in rows] == [(start + timedelta(seconds=second), second) for second in (585, 1170, 1755)]


def test_rows_without_an_event_wake_nobody(store: DatabaseWhales, bell: Bell) -> None:
    store.write(Changes(at=NOW, fees=fees(NOW), blocks=[block(100)]))
    assert bell.heard == []


def test_a_burst_of_whales_is_written_whole_and_told_in_order(store: DatabaseWhales, database: Database) -> None:
    burst = [sighting(number) for number in reversed(range(1_200))]
    store.write(Changes(at=NOW, sightings=burst))
    assert counts(database)[:2] == [1_200, 1_200]
    assert [payload["txid"] for _, payload in told(database)] == [each.whale.txid for each in burst]
    assert len(store.find([each.whale.txid for each in burst])) == 1_200
    assert len(store.predictions_of([each.whale.txid for each in burst])) == 1_200


@pytest.fixture
def full_log(database: Database) -> None:
    """The log refuses what comes last of a transaction, as a disk would that fills up right then."""
    refuse = {
        "sqlite": "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.type = 'fee_update' "
        "BEGIN SELECT RAISE(ABORT, 'refused'); END",
        "postgresql": "ALTER TABLE events ADD CONSTRAINT refused CHECK (type <> 'fee_update')",
    }[database.engine.dialect.name]
    with database.writing() as connection:
        connection.execute(text(refuse))


@pytest.mark.usefixtures("full_log")
def test_what_fails_at_its_very_end_leaves_nothing(store: DatabaseWhales, database: Database, bell: Bell) -> None:
    changes = Changes(
        at=NOW,
        sightings=[sighting(1)],
        blocks=[block(100)],
        fees=fees(NOW),
        events=[("status_update", {}), ("fee_update", {})],
    )
    with pytest.raises(Exception, match="refused"):
        store.write(changes)
    assert counts(database) == [0, 0, 0, 0]
    assert told(database) == []
    assert bell.heard == []
    changes.events.pop()
    store.write(changes)
    assert counts(database) == [1, 1, 1, 1]
    assert len(told(database)) == 2


def price(minutes: int, **changed: Any) -> PriceComparison:  # noqa: ANN401 - as replace() takes them
    valid = PriceComparison(
        timestamp=NOW.replace(minute=0, second=0) + timedelta(minutes=minutes),
        utxoracle_price=88_000.0 + minutes,
        exchange_price=90_000.0 + minutes,
        is_valid=True,
    )
    return replace(valid, **changed)


INVALID = {"is_valid": False, "invalid_reason": "too_few_points"}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], None),
        ([price(-20), price(-10)], 87_990.0),
        ([price(-20), price(-10, **INVALID)], 87_980.0),
        ([price(-20, **INVALID), price(-10, **INVALID)], 89_990.0),
        ([price(-10, utxoracle_price=None, exchange_price=None, is_valid=False, invalid_reason="none")], None),
        ([price(-24 * 60)], None),
        ([price(-23 * 60)], 86_620.0),
        ([price(20), price(-10)], 87_990.0),
        ([price(-10, source="import")], None),
    ],
    ids=["none", "newest", "valid", "rate", "no figure", "old", "of a day", "of the future", "imported"],
)
def test_the_price_is_the_newest_that_can_be_trusted(
    store: DatabaseWhales, database: Database, rows: list[PriceComparison], expected: float | None
) -> None:
    for row in rows:
        DatabasePriceHistory(database, lambda: None).record(row, NOW)
    assert store.usd_per_btc() == expected

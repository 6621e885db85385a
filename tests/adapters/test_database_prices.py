from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from statistics import mean, median
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, exc, func, select, text, update

from app.adapters.database.events import DatabaseEventLog, append
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.database.tables import EventLogIdentityRow, EventRow, PriceRow
from app.domain.price.comparison import PriceComparison
from app.services.price_history import Bucket, DifferenceSummary

if TYPE_CHECKING:
    from app.adapters.database.engine import Database

SLOT = datetime(2026, 11, 24, 8, 10, tzinfo=UTC)
NOW = SLOT + timedelta(seconds=42)
VALID = PriceComparison(
    timestamp=SLOT,
    utxoracle_price=88_000.0,
    exchange_price=88_800.0,
    band_low=87_600.0,
    band_high=88_400.0,
    confidence=0.9,
    window_price=88_050.0,
    published_price=44_000.0,
    lock_margin=1.4,
    signal=88.5,
    point_count=20_000,
    spread_percent=1.1,
    change_percent=-0.3,
    block_height=925_000,
    block_hash="ab" * 32,
    block_count=144,
    output_count=12_345,
    block_source="rest",
    exchange_time=SLOT - timedelta(minutes=3),
    exchange_sources={"mempool": 88_800.0},
    exchange_outliers={"elsewhere": 12.5},
    exchange_ratios={"EUR": 0.86},
    is_valid=True,
)
BUCKETS: tuple[Bucket, ...] = ("raw", "hour", "day")
INVALID = PriceComparison(timestamp=SLOT, exchange_price=88_800.0, invalid_reason="not_enough_data")
DOUBTED = replace(VALID, confidence=0.0, is_valid=False, invalid_reason="too_few_points")


class Bell:
    """Counts its rings, and what a follower that reads at once would find."""

    def __init__(self, database: Database) -> None:
        self._log = DatabaseEventLog(database)
        self.heard: list[int] = []

    def ring(self) -> None:
        self.heard.append(self._log.last_id())


@pytest.fixture
def bell(database: Database) -> Bell:
    return Bell(database)


@pytest.fixture
def history(database: Database, bell: Bell) -> DatabasePriceHistory:
    return DatabasePriceHistory(database, bell.ring)


def test_without_rows_there_is_nothing_to_tell(history: DatabasePriceHistory) -> None:
    assert history.newest() is None
    assert history.between(SLOT, SLOT + timedelta(days=1)) == []
    for bucket in BUCKETS:
        assert history.table(["timestamp"], SLOT, SLOT + timedelta(days=1), bucket) == []
    assert history.differences(SLOT, NOW) == DifferenceSummary(None, None, None, None, 0, 0, 0)


@pytest.mark.parametrize("comparison", [VALID, INVALID])
def test_a_row_comes_back_as_it_was_recorded(history: DatabasePriceHistory, comparison: PriceComparison) -> None:
    history.record(comparison, NOW)
    assert history.newest() == comparison
    assert history.between(SLOT, SLOT + timedelta(minutes=10)) == [comparison]


def test_a_row_and_its_event_are_there_before_the_bell_rings(
    history: DatabasePriceHistory, bell: Bell, database: Database
) -> None:
    event_id = history.record(VALID, NOW)
    assert bell.heard == [event_id]
    (event,) = DatabaseEventLog(database).after(0, 10)
    assert (event.id, event.type, event.created_at) == (event_id, "price_update", NOW)
    assert event.payload == {
        "timestamp": "2026-11-24T08:10:00+00:00",
        "source": "live",
        "utxoracle_price": 88_000.0,
        "exchange_price": 88_800.0,
        "difference": -800.0,
        "difference_percent": pytest.approx(-0.9009009),
        "band_low": 87_600.0,
        "band_high": 88_400.0,
        "confidence": 0.9,
        "block_height": 925_000,
        "is_valid": True,
        "invalid_reason": None,
    }


def test_the_difference_is_kept_for_those_who_query_the_table(
    history: DatabasePriceHistory, database: Database
) -> None:
    history.record(VALID, NOW)
    with database.reading() as connection:
        row = connection.execute(select(PriceRow.difference, PriceRow.difference_percent, PriceRow.created_at)).one()
    assert row == (-800.0, VALID.difference_percent, NOW)


def test_a_second_run_in_a_slot_replaces_the_row(history: DatabasePriceHistory, bell: Bell) -> None:
    better = replace(VALID, utxoracle_price=88_100.0)
    first, second = history.record(INVALID, NOW), history.record(VALID, NOW)
    third = history.record(better, NOW)
    assert first < second < third
    assert bell.heard == [first, second, third]
    assert history.between(SLOT, NOW) == [better]


def test_a_run_without_an_exchange_rate_leaves_that_of_the_earlier_one(
    history: DatabasePriceHistory, database: Database
) -> None:
    rate: dict[str, Any] = {
        "exchange_price": 88_000.0,
        "exchange_time": SLOT,
        "exchange_sources": {"mempool": 88_000.0},
        "exchange_outliers": {"far": 9_000.0},
        "exchange_ratios": {"EUR": 0.9},
    }
    none: dict[str, Any] = dict.fromkeys(rate)
    history.record(replace(VALID, **rate), NOW)
    better = replace(VALID, utxoracle_price=88_100.0)
    event_id = history.record(replace(better, **none), NOW)
    assert history.newest() == replace(better, **rate)
    (event,) = DatabaseEventLog(database).after(event_id - 1, 10)
    assert (event.payload["exchange_price"], event.payload["difference"]) == (88_000.0, 100.0)
    # Of another slot, or another source, it is not.
    for other in (replace(VALID, timestamp=SLOT + timedelta(minutes=10)), replace(VALID, source="backfill")):
        history.record(replace(other, **none), NOW)
        assert replace(other, **none) in history.between(SLOT, NOW + timedelta(days=1))


def test_an_invalid_run_never_replaces_a_valid_row(history: DatabasePriceHistory, bell: Bell) -> None:
    kept = history.record(VALID, NOW)
    assert history.record(INVALID, NOW) == 0
    assert history.newest() == VALID
    assert bell.heard == [kept]


def test_an_invalid_run_replaces_an_invalid_row(history: DatabasePriceHistory) -> None:
    history.record(INVALID, NOW)
    other = replace(INVALID, invalid_reason="bitcoind_unreachable")
    assert history.record(other, NOW) > 0
    assert history.newest() == other


def test_sources_have_rows_of_their_own_and_the_live_one_is_newest(history: DatabasePriceHistory) -> None:
    for source in ("live", "backfill", "import"):
        history.record(replace(VALID, source=source), NOW)
    assert [row.source for row in history.between(SLOT, NOW)] == ["backfill", "import", "live"]
    assert history.newest() == VALID


def test_the_range_has_its_start_and_not_its_end(history: DatabasePriceHistory) -> None:
    slots = [SLOT + i * timedelta(minutes=10) for i in range(4)]
    for slot in reversed(slots):
        history.record(replace(VALID, timestamp=slot), NOW)
    assert [row.timestamp for row in history.between(slots[1], slots[3])] == slots[1:3]
    assert history.differences(slots[1], slots[3]).count == 2


def test_the_span_is_from_the_oldest_row_to_the_newest_whatever_they_are(history: DatabasePriceHistory) -> None:
    assert history.span() is None
    slots = [SLOT + days * timedelta(days=1) for days in (0, 400, -4000)]
    for slot in slots:
        history.record(replace(INVALID, timestamp=slot, source="backfill"), NOW)
    assert history.span() == (slots[2], slots[1])


def test_another_zone_s_clock_names_the_same_moments(history: DatabasePriceHistory) -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    history.record(replace(VALID, timestamp=SLOT.astimezone(zone)), NOW)
    assert history.record(INVALID, NOW) == 0
    (row,) = history.between(SLOT.astimezone(zone), NOW.astimezone(zone))
    assert row.timestamp == SLOT
    assert row.timestamp.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(history: DatabasePriceHistory) -> None:
    with pytest.raises(exc.StatementError, match="has no time zone"):
        history.record(replace(VALID, timestamp=SLOT.replace(tzinfo=None)), NOW)
    assert history.newest() is None


@pytest.mark.parametrize(
    "contradiction",
    [replace(VALID, confidence=1.5), replace(VALID, invalid_reason="why"), replace(INVALID, invalid_reason=None)],
)
def test_a_contradiction_leaves_neither_row_nor_event(
    history: DatabasePriceHistory, bell: Bell, database: Database, contradiction: PriceComparison
) -> None:
    with pytest.raises(exc.IntegrityError):
        history.record(contradiction, NOW)
    assert history.newest() is None
    assert DatabaseEventLog(database).last_id() == 0
    assert bell.heard == []


def test_a_run_whose_event_fails_leaves_no_row(history: DatabasePriceHistory, bell: Bell, database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("ALTER TABLE events RENAME TO events_away"))
    with pytest.raises(Exception, match="events"):
        history.record(VALID, NOW)
    with database.writing() as connection:
        connection.execute(text("ALTER TABLE events_away RENAME TO events"))
    assert history.newest() is None
    assert bell.heard == []


def test_an_hour_is_the_mean_of_its_valid_rows(history: DatabasePriceHistory) -> None:
    eight, nine = SLOT.replace(minute=0), SLOT.replace(hour=9, minute=0)
    prices = {eight: 80_000.0, eight + timedelta(minutes=50): 82_000.0, nine: 90_000.0}
    for slot, price in prices.items():
        history.record(replace(VALID, timestamp=slot, utxoracle_price=price, block_height=slot.hour), NOW)
    history.record(replace(INVALID, timestamp=eight + timedelta(minutes=20)), NOW)
    history.record(replace(INVALID, timestamp=nine + timedelta(hours=1)), NOW)
    end = nine + timedelta(hours=1)
    first, second = history.table(["timestamp", "utxoracle_price", "exchange_price"], eight, end, "hour")
    assert first == (eight, 81_000.0, 88_800.0)
    assert second == (nine, 90_000.0, 88_800.0)
    names = ["confidence", "block_height", "is_valid", "source", "block_hash", "invalid_reason", "exchange_sources"]
    assert history.table(names, eight, nine, "hour") == [(0.9, 8, True, "live", None, None, None)]


@pytest.mark.parametrize("bucket", BUCKETS[1:])
def test_the_exchange_rate_of_a_bucket_is_that_of_all_rows_that_have_one(
    history: DatabasePriceHistory, bucket: Bucket
) -> None:
    rows = [
        VALID,
        replace(VALID, utxoracle_price=90_000.0, exchange_price=None, exchange_time=None),
        replace(DOUBTED, utxoracle_price=1.0, exchange_price=88_400.0, block_height=999_999),
        replace(INVALID, exchange_price=88_000.0),
        replace(INVALID, exchange_price=None),
    ]
    for number, row in enumerate(rows):
        history.record(replace(row, timestamp=SLOT + number * timedelta(minutes=10)), NOW)
    names = ["utxoracle_price", "exchange_price", "difference", "confidence", "block_height", "is_valid"]
    assert history.table(names, SLOT, SLOT + timedelta(minutes=50), bucket) == [
        (89_000.0, pytest.approx(88_400.0), -800.0, pytest.approx(0.9), 925_000, True)
    ]


@pytest.mark.parametrize("bucket", BUCKETS[1:])
def test_a_bucket_without_a_valid_row_has_its_exchange_rate_and_nothing_else(
    history: DatabasePriceHistory, bucket: Bucket
) -> None:
    history.record(replace(DOUBTED, exchange_price=80_000.0), NOW)
    imported = replace(INVALID, exchange_price=82_000.0, source="import", provenance="old.csv line 1")
    history.record(replace(imported, timestamp=SLOT + timedelta(minutes=10)), NOW)
    names = [*PriceComparison.__dataclass_fields__, "difference", "difference_percent"]
    (row,) = history.table(names, SLOT, SLOT + timedelta(minutes=20), bucket)
    known = {name: value for name, value in zip(names, row, strict=True) if value is not None}
    begin = SLOT.replace(minute=0, hour=0 if bucket == "day" else SLOT.hour)
    assert known == {"timestamp": begin, "source": "live", "exchange_price": 81_000.0, "is_valid": False}
    assert known["is_valid"] is False


def test_a_bucket_with_neither_a_valid_row_nor_a_rate_is_not_there(history: DatabasePriceHistory) -> None:
    history.record(replace(INVALID, exchange_price=None), NOW)
    for bucket in BUCKETS[1:]:
        assert history.table(["timestamp"], SLOT, SLOT + timedelta(days=1), bucket) == []


def test_a_bucket_is_of_the_source_of_its_valid_rows(history: DatabasePriceHistory) -> None:
    history.record(INVALID, NOW)
    history.record(replace(VALID, source="backfill"), NOW)
    for bucket in BUCKETS[1:]:
        assert history.table(["source", "is_valid"], SLOT, NOW, bucket) == [("backfill", True)]


def test_a_bucket_has_the_mean_of_the_bands(history: DatabasePriceHistory) -> None:
    wide = replace(VALID, timestamp=SLOT + timedelta(minutes=10), band_low=87_000.0, band_high=89_000.0)
    unknown = replace(VALID, timestamp=SLOT + timedelta(minutes=20), band_low=None, band_high=None)
    for row in (VALID, wide, unknown):
        history.record(row, NOW)
    names, hour = ["band_low", "band_high", "window_price", "lock_margin"], SLOT.replace(minute=0)
    assert history.table(names, hour, hour + timedelta(hours=1), "hour") == [(87_300.0, 88_700.0, 88_050.0, None)]


def test_a_day_begins_at_midnight_utc(history: DatabasePriceHistory) -> None:
    midnight = SLOT.replace(hour=0, minute=0)
    for slot, price in (
        (midnight - timedelta(minutes=10), 1.0),
        (midnight, 2.0),
        (midnight + timedelta(hours=23), 4.0),
    ):
        history.record(replace(VALID, timestamp=slot, utxoracle_price=price), NOW)
    names, begin, end = ["timestamp", "utxoracle_price"], midnight - timedelta(days=1), midnight + timedelta(days=1)
    assert history.table(names, begin, end, "day") == [
        (midnight - timedelta(days=1), 1.0),
        (midnight, 3.0),
    ]


def test_times_before_1970_have_buckets_too(history: DatabasePriceHistory) -> None:
    slot = datetime(1969, 12, 31, 23, 50, tzinfo=UTC)
    history.record(replace(VALID, timestamp=slot), NOW)
    (day,) = history.table(["timestamp", "utxoracle_price"], slot - timedelta(days=1), slot + timedelta(days=1), "day")
    assert day == (slot.replace(hour=0, minute=0), 88_000.0)


def test_columns_are_those_asked_for_in_that_order(history: DatabasePriceHistory) -> None:
    history.record(VALID, NOW)
    names = ["exchange_time", "difference", "is_valid", "source"]
    (row,) = history.table(names, SLOT, NOW, "raw")
    assert row == (VALID.exchange_time, -800.0, True, "live")


def test_the_difference_of_a_bucket_is_the_mean_of_the_differences_and_not_that_of_the_means(
    history: DatabasePriceHistory,
) -> None:
    without_rate = replace(VALID, utxoracle_price=100_000.0, exchange_price=None, exchange_time=None)
    history.record(without_rate, NOW)
    later = SLOT + timedelta(minutes=10)
    history.record(replace(VALID, timestamp=later, utxoracle_price=110_000.0, exchange_price=110_000.0), NOW)
    end = SLOT + timedelta(minutes=30)
    for bucket in BUCKETS[1:]:
        assert history.table(["difference", "difference_percent"], SLOT, end, bucket) == [(0.0, 0.0)]
    assert history.differences(SLOT, end).mean == 0.0


@pytest.mark.parametrize("bucket", BUCKETS)
def test_the_first_and_the_last_moment_that_there_are_can_be_asked_for(
    history: DatabasePriceHistory, bucket: Bucket
) -> None:
    history.record(VALID, NOW)
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert history.table(["utxoracle_price"], first, last, bucket) == [(88_000.0,)]


def test_every_change_of_the_rows_is_another_version_and_nothing_else_is(
    history: DatabasePriceHistory, database: Database
) -> None:
    changes = [
        INVALID,
        replace(INVALID, invalid_reason="bitcoind_unreachable"),
        VALID,
        replace(VALID, utxoracle_price=88_100.0),
        replace(VALID, source="backfill", timestamp=SLOT - timedelta(days=99)),
    ]
    versions = [history.version()]
    for change in changes:
        history.record(change, NOW)
        versions.append(history.version())
        with database.writing() as connection:
            append(connection, "whale_alert", {}, NOW)
        assert history.version() == versions[-1]
    assert history.record(INVALID, NOW) == 0
    assert history.version() == versions[-1]
    assert len(set(versions)) == len(versions)
    assert DatabasePriceHistory(database, lambda: None).version() == versions[-1]


def test_another_log_is_another_version_although_its_ids_are_the_same(
    history: DatabasePriceHistory, database: Database
) -> None:
    history.record(VALID, NOW)
    before = history.version()
    with database.writing() as connection:
        connection.execute(update(EventLogIdentityRow).values(identity="of a restored log"))
    assert history.version() not in {before, ""}
    assert history.version() == DatabasePriceHistory(database, lambda: None).version()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(1, 1e7)),
            st.one_of(st.none(), st.floats(1, 1e7)),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_differences_are_those_of_the_valid_rows_that_have_both(
    database: Database, history: DatabasePriceHistory, runs: list[tuple[float | None, float | None, bool]]
) -> None:
    with database.writing() as connection:
        connection.execute(delete(PriceRow))
    rows = []
    for number, (estimate, rate, fit) in enumerate(runs):
        is_valid = fit and estimate is not None
        row = PriceComparison(
            timestamp=SLOT + number * timedelta(minutes=10),
            utxoracle_price=estimate,
            exchange_price=rate,
            is_valid=is_valid,
            invalid_reason=None if is_valid else "why",
        )
        history.record(row, NOW)
        rows.append(row)
    compared = [row.difference for row in rows if row.is_valid and row.difference is not None]
    found = history.differences(SLOT, SLOT + timedelta(days=1))
    assert (found.count, found.valid_count, found.compared_count) == (
        len(rows),
        sum(row.is_valid for row in rows),
        len(compared),
    )
    if not compared:
        assert (found.mean, found.median, found.min, found.max) == (None, None, None, None)
        return
    assert found.mean == pytest.approx(mean(compared), abs=1e-6)
    assert found.median == pytest.approx(median(compared), abs=1e-6)
    assert (found.min, found.max) == (min(compared), max(compared))


def test_each_row_has_one_event_of_its_own(history: DatabasePriceHistory, database: Database) -> None:
    for minute in range(0, 60, 10):
        history.record(replace(VALID, timestamp=SLOT.replace(minute=minute)), NOW)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(EventRow)).scalar_one() == 6

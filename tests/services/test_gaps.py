"""Gaps of the history: the blocks of a node's chain against the rows of a real database."""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.database.price_gaps import DatabaseKnownRows
from app.adapters.database.prices import DatabasePriceHistory
from app.domain.price.comparison import PriceComparison, Source, slot_of
from app.services.block_source import BlockUnknownError, NodeStatus
from app.services.gaps import Gap, KnownRow, Span, find_gaps

if TYPE_CHECKING:
    from app.adapters.database.engine import Database

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
SLOT = timedelta(minutes=10)
VALID = PriceComparison(timestamp=MIDNIGHT, utxoracle_price=60_000.0, is_valid=True)


class Headers:
    """A node that knows headers only, stamped at `times` from `first` on."""

    name = "headers"

    def __init__(self, times: Sequence[int], first: int = 0) -> None:
        self._times = times
        self._first = first

    def status(self) -> NodeStatus:
        return NodeStatus("main", self._first + len(self._times) - 1, initial_block_download=False)

    def headers(self, first_height: int, count: int) -> Sequence[bytes]:
        at = first_height - self._first
        if not 0 <= at < len(self._times):
            raise BlockUnknownError(f"no block {first_height}")
        return [bytes(68) + struct.pack("<III", each, 0, 0) for each in self._times[at : at + count]]

    def block_hash(self, height: int) -> str:
        raise NotImplementedError

    def raw_block(self, block_hash: str) -> bytes:
        raise NotImplementedError


class NoRows:
    def between(self, _start: datetime, _end: datetime) -> list[KnownRow]:
        return []

    def first_live(self) -> None:
        return None


def at(hour: int, minute: int = 0, second: int = 0) -> int:
    return int((MIDNIGHT + timedelta(hours=hour, minutes=minute, seconds=second)).timestamp())


def slot(hour: int, minute: int = 0) -> datetime:
    return datetime.fromtimestamp(at(hour, minute), UTC)


def gaps_of(times: Sequence[int], rows: object = None, span: Span | None = None, **how: bool | int) -> list[Gap]:
    span = span or Span(MIDNIGHT, MIDNIGHT + timedelta(days=1))
    options = {"min_confirmations": 1, **how}
    return list(find_gaps(Headers(times), rows or NoRows(), span, **options))  # type: ignore[arg-type] # as given


def test_a_block_belongs_in_the_slot_that_begins_once_it_is_confirmed() -> None:
    times = [at(10, 1), at(10, 12), at(10, 30), at(10, 47)]
    assert gaps_of(times, min_confirmations=2) == [
        Gap(slot(10, 20), 0),
        Gap(slot(10, 30), 1),
        Gap(slot(10, 50), 2),
    ]
    assert gaps_of(times, min_confirmations=3) == [Gap(slot(10, 30), 0), Gap(slot(10, 50), 1)]


def test_of_several_blocks_in_a_slot_only_the_newest_is_one_that_a_live_run_would_have_seen() -> None:
    assert gaps_of([at(10, 1), at(10, 4), at(10, 9), at(10, 11)]) == [Gap(slot(10, 10), 2), Gap(slot(10, 20), 3)]


def test_a_time_that_runs_backwards_confirms_nothing_earlier() -> None:
    assert gaps_of([at(10, 1), at(11, 5), at(9, 0), at(11, 15)]) == [
        Gap(slot(10, 10), 0),
        Gap(slot(11, 10), 2),
        Gap(slot(11, 20), 3),
    ]


def test_nothing_outside_of_the_span_is_a_gap() -> None:
    times = [at(hour, 5) for hour in range(24)]
    assert [gap.height for gap in gaps_of(times, span=Span(slot(5, 10), slot(7, 10)))] == [5, 6]


def test_a_chain_without_blocks_in_the_span_has_no_gaps() -> None:
    assert gaps_of([at(1)], span=Span(MIDNIGHT + timedelta(days=300), MIDNIGHT + timedelta(days=301))) == []
    assert gaps_of([at(1)], span=Span(MIDNIGHT - timedelta(days=300), MIDNIGHT - timedelta(days=299))) == []


def test_a_node_that_knows_only_the_end_of_its_chain_has_the_gaps_of_that() -> None:
    found = find_gaps(Headers([at(10), at(11)], first=800_000), NoRows(), Span(MIDNIGHT, slot(12)), min_confirmations=1)
    assert list(found) == [Gap(slot(10), 800_000), Gap(slot(11), 800_001)]


def live_run(times: Sequence[int], min_confirmations: int, moment: int) -> int | None:
    """What a run at `moment` finds, of blocks that arrive when they, or those before, are stamped."""
    arrived = [height for height in range(len(times)) if max(times[: height + 1]) <= moment]
    newest = len(arrived) - min_confirmations
    return newest if newest >= 0 else None


@given(
    st.lists(st.integers(-1800, 3600), min_size=1, max_size=60),
    st.integers(1, 4),
)
def test_each_row_is_of_the_block_that_a_live_run_in_that_slot_would_have_found(
    steps: list[int], confirmations: int
) -> None:
    times = [at(12) + sum(steps[:each]) for each in range(len(steps))]
    span = Span(MIDNIGHT - timedelta(days=2), MIDNIGHT + timedelta(days=5))
    found = gaps_of(times, span=span, min_confirmations=confirmations)
    filled = {gap.slot: gap.height for gap in found}
    assert len(filled) == len(found)
    told: int | None = None
    moment = span.start
    while moment < span.end:
        seen = live_run(times, confirmations, int(moment.timestamp()))
        assert filled.get(moment) == (seen if seen != told else None)
        told, moment = seen, moment + SLOT


# With rows


@pytest.fixture
def history(database: Database) -> DatabasePriceHistory:
    return DatabasePriceHistory(database, lambda: None)


@pytest.fixture
def rows(database: Database) -> DatabaseKnownRows:
    return DatabaseKnownRows(database)


TIMES = [at(hour, 5) for hour in range(24)]


def heights(found: list[Gap]) -> list[int]:
    return [gap.height for gap in found]


def test_a_valid_row_of_any_source_closes_its_slot(history: DatabasePriceHistory, rows: DatabaseKnownRows) -> None:
    for hour, source in enumerate(("live", "backfill", "import")):
        history.record(replace(VALID, timestamp=slot(hour, 10), source=source), MIDNIGHT)  # type: ignore[arg-type] # is one
    assert heights(gaps_of(TIMES, rows)) == list(range(3, 24))


def test_a_run_that_came_to_no_block_closes_nothing(history: DatabasePriceHistory, rows: DatabaseKnownRows) -> None:
    history.record(PriceComparison(timestamp=slot(5, 10), invalid_reason="node_unreachable"), MIDNIGHT)
    assert 5 in heights(gaps_of(TIMES, rows))


@pytest.mark.parametrize("source", ["live", "backfill"])
def test_a_block_that_was_tried_in_vain_is_tried_again_only_when_asked_for(
    history: DatabasePriceHistory, rows: DatabaseKnownRows, source: Source
) -> None:
    tried = PriceComparison(timestamp=slot(5, 20), source=source, invalid_reason="too_few_points", block_height=5)
    history.record(tried, MIDNIGHT)
    assert 5 not in heights(gaps_of(TIMES, rows))
    assert heights(gaps_of(TIMES, rows, retry_invalid=True)) == list(range(24))


def test_an_imported_row_without_a_price_has_tried_nothing(
    history: DatabasePriceHistory, rows: DatabaseKnownRows
) -> None:
    row = PriceComparison(timestamp=slot(5, 10), source="import", invalid_reason="no_estimate", block_height=5)
    history.record(row, MIDNIGHT)
    assert 5 in heights(gaps_of(TIMES, rows))


def test_a_block_that_a_later_live_row_names_is_no_gap(history: DatabasePriceHistory, rows: DatabaseKnownRows) -> None:
    history.record(replace(VALID, timestamp=slot(5, 40), block_height=5), MIDNIGHT)
    assert 5 not in heights(gaps_of(TIMES, rows))


def test_on_a_day_without_a_valid_row_names_in_rows_of_other_days_count_for_nothing(
    history: DatabasePriceHistory, rows: DatabaseKnownRows
) -> None:
    history.record(replace(VALID, timestamp=MIDNIGHT - timedelta(hours=1), block_height=5), MIDNIGHT)
    assert 5 in heights(gaps_of(TIMES, rows))


def test_days_without_any_price_are_named(history: DatabasePriceHistory, rows: DatabaseKnownRows) -> None:
    times = [at(hour, 5) for hour in range(72)]
    history.record(replace(VALID, timestamp=slot(30, 10)), MIDNIGHT)
    history.record(PriceComparison(timestamp=slot(50, 10), invalid_reason="bad_block"), MIDNIGHT)
    found = find_gaps(Headers(times), rows, Span(MIDNIGHT, MIDNIGHT + timedelta(days=3)), min_confirmations=1)
    assert found.empty_days == {MIDNIGHT.date(), (MIDNIGHT + timedelta(days=2)).date()}


def test_a_look_that_takes_too_long_ends_early_and_says_where() -> None:
    times = [at(0) + 600 * each + 300 for each in range(2500)]
    span = Span(MIDNIGHT, MIDNIGHT + timedelta(days=30))
    answers = iter([True, False])
    begun = find_gaps(Headers(times), NoRows(), span, min_confirmations=1, keep_going=lambda: next(answers))
    assert begun.until == begun[-1].slot + SLOT < span.end
    rest = find_gaps(Headers(times), NoRows(), Span(begun.until, span.end), min_confirmations=1)
    assert rest.until == span.end
    assert [gap.height for gap in [*begun, *rest]] == list(range(2500))


def test_the_first_live_row_is_known(history: DatabasePriceHistory, rows: DatabaseKnownRows) -> None:
    assert rows.first_live() is None
    history.record(replace(VALID, source="import"), MIDNIGHT)
    for hour in (9, 7, 8):
        history.record(replace(VALID, timestamp=slot(hour)), MIDNIGHT)
    assert rows.first_live() == slot(7)


def test_the_gaps_of_a_year_are_found_in_seconds(database: Database, rows: DatabaseKnownRows) -> None:
    from sqlalchemy import insert  # noqa: PLC0415

    from app.adapters.database.tables import PriceRow  # noqa: PLC0415

    start = int(MIDNIGHT.timestamp())
    times = [start + 600 * height + 300 for height in range(50_000)]
    missing = {7, 20_000, 20_001, 49_999}
    kept = [
        {
            "timestamp": slot_of(datetime.fromtimestamp(each, UTC)) + SLOT,
            "source": "live",
            "utxoracle_price": 1e5,
            "block_height": height,
            "is_valid": True,
            "created_at": MIDNIGHT,
        }
        for height, each in enumerate(times)
        if height not in missing
    ]
    with database.writing() as connection:
        connection.execute(insert(PriceRow), kept)
    began = time.monotonic()
    found = find_gaps(Headers(times), rows, Span(MIDNIGHT, MIDNIGHT + timedelta(days=400)), min_confirmations=1)
    assert {gap.height for gap in found} == missing
    # About a second; a look through the table for each stretch would take minutes.
    assert time.monotonic() - began < 20

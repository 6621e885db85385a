"""Gaps are filled from a stand-in node into a real database, and whatever goes wrong is told and survived."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from app.adapters.bitcoind import block_source
from app.adapters.bitcoind_http import BitcoindHttp
from app.adapters.bitcoind_rest import RestBlockSource
from app.adapters.database.price_gaps import DatabaseKnownRows
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.esplora_blocks import GENESIS, EsploraBlocks
from app.adapters.esplora_http import EsploraHttp, Service
from app.adapters.extract_memory import MemoryExtracts
from app.domain.price.comparison import PriceComparison
from app.domain.price.not_enough_data import NotEnoughDataError
from app.services import gaps
from app.services.backfill import Backfill, Filled, Outcome, kept_windows, one_by_one
from app.services.block_source import (
    BadBlockError,
    BlockAwayError,
    BlockPrunedError,
    BlockUnknownError,
    FallbackBlockSource,
    NodeUnreachableError,
    OnchainPriceError,
)
from app.services.exchange_rate import Quote
from app.services.gaps import Gap, Gaps, Span, find_gaps
from app.services.healing import MOST_ROWS, MOST_SECONDS, Healed, Healing
from app.services.judgement import Limits, judged
from app.services.onchain_price import OnchainPrice, estimate_at
from app.services.source_breaker import Delays, SourceBreaker, Trouble
from app.services.storage import StorageError
from tests.fakes.bitcoin_node import FakeNode, running
from tests.fakes.esplora_node import FakeEsplora, esplora
from tests.fakes.published import COMMITTED, chain
from tests.services.test_comparison import PRICE

if TYPE_CHECKING:
    from app.adapters.database.engine import Database

NOW = datetime(2026, 11, 24, 12, 34, tzinfo=UTC)
START = datetime(2024, 6, 15, 22, tzinfo=UTC)
SPAN = Span(START, datetime(2024, 6, 17, tzinfo=UTC))
LIMITS = Limits(1_000, 10_000_000, 0.3, timedelta(hours=2))
WINDOW_BLOCKS = 24


def gaps_of(count: int) -> Gaps:
    gaps = Gaps(START + count * timedelta(minutes=10))
    for each in range(count):
        gaps.add(Gap(START + each * timedelta(minutes=10), 100 + each))
    return gaps


class Rates:
    """A quote of each slot's own time, but none at a full hour."""

    def __init__(self, usd: float = 60_000.0) -> None:
        self._usd = usd

    def rate_at(self, moment: datetime) -> Quote | None:
        return Quote(self._usd, moment - timedelta(minutes=3)) if moment.minute else None


class Estimates:
    """Gives what each height is said to give; else a good price."""

    def __init__(self, **otherwise: Exception) -> None:
        self.otherwise = {int(name.removeprefix("at_")): error for name, error in otherwise.items()}
        self.asked: list[int] = []

    def __call__(self, height: int) -> OnchainPrice:
        self.asked.append(height)
        if height in self.otherwise:
            raise self.otherwise[height]
        return PRICE


@pytest.fixture
def history(database: Database) -> DatabasePriceHistory:
    return DatabasePriceHistory(database, lambda: None)


def fill(
    history: DatabasePriceHistory,
    estimates: Estimates,
    count: int = 5,
    is_kept: Callable[[int], bool] = lambda _: True,
    keep_going: Callable[[Filled], bool] = lambda _: True,
) -> tuple[Filled, list[int]]:
    progress: list[int] = []
    backfill = Backfill(one_by_one(estimates), Rates(), history, LIMITS, lambda: NOW)
    done = backfill.fill(gaps_of(count), search=lambda: is_kept, keep_going=keep_going, progress=progress.append)
    return done, progress


def rows(history: DatabasePriceHistory) -> list[PriceComparison]:
    return list(history.between(START, START + timedelta(days=3)))


def test_each_gap_becomes_a_row_in_its_slot_with_the_rate_of_that_time(history: DatabasePriceHistory) -> None:
    done, progress = fill(history, Estimates())
    assert done == Filled(valid=5)
    assert progress == [1] * 5
    first, second, *_ = rows(history)
    assert (first.timestamp, first.source, first.utxoracle_price, first.is_valid) == (START, "backfill", 60_300.0, True)
    assert (first.exchange_price, first.exchange_sources) == (None, None)
    assert (second.exchange_price, second.exchange_sources) == (60_000.0, {"mempool": 60_000.0})
    assert second.exchange_time == START + timedelta(minutes=7)


@pytest.mark.parametrize(("usd", "kept"), [(12.0, None), (1_000.0, 1_000.0), (10_000_000.0, 10_000_000.0), (1e9, None)])
def test_a_rate_of_the_past_that_the_settings_do_not_allow_is_missing(
    history: DatabasePriceHistory, usd: float, kept: float | None
) -> None:
    Backfill(one_by_one(Estimates()), Rates(usd), history, LIMITS, lambda: NOW).fill(
        gaps_of(2), search=lambda: lambda _: True
    )
    row = rows(history)[1]
    assert (row.is_valid, row.exchange_price, row.exchange_time is None) == (True, kept, kept is None)
    assert row.exchange_sources == (None if kept is None else {"mempool": kept})


def test_what_is_no_price_is_kept_with_its_reason(history: DatabasePriceHistory) -> None:
    done, _ = fill(history, Estimates(at_101=NotEnoughDataError("thin"), at_103=BadBlockError("no block")))
    assert done == Filled(valid=3, invalid=2)
    assert [row.invalid_reason for row in rows(history)] == [None, "not_enough_data", None, "bad_block", None]
    assert [row.block_height for row in rows(history) if not row.is_valid] == [101, 103]


def test_a_gap_that_another_try_may_fill_is_passed_over_without_a_row(history: DatabasePriceHistory) -> None:
    reorganised = BlockUnknownError("reorganised")
    done, _ = fill(history, Estimates(at_102=reorganised, at_104=reorganised))
    assert done == Filled(valid=3, passed_over=2, first_passed_over=START + timedelta(minutes=20))
    assert len(rows(history)) == 3


def test_a_node_that_goes_away_stops_it_and_the_rest_is_left(history: DatabasePriceHistory) -> None:
    estimates = Estimates(at_102=NodeUnreachableError("gone"))
    done, _ = fill(history, estimates)
    assert done == Filled(valid=2, left=3, stopped_by="gone")
    assert estimates.asked == [100, 101, 102]


def test_many_failures_in_a_row_stop_it(history: DatabasePriceHistory) -> None:
    estimates = Estimates(**{f"at_{each}": BlockUnknownError("strange") for each in range(102, 200)})
    done, _ = fill(history, estimates, count=90)
    assert (done.valid, done.stopped_by, len(estimates.asked)) == (2, "strange", 12)
    assert done.valid + done.passed_over + done.left == 90


def unreadable(error: OnchainPriceError, until: int) -> Estimates:
    """Estimates of which those below `until` raise `error`."""
    return Estimates(**{f"at_{each}": error for each in range(100, until)})


@pytest.mark.parametrize("kept_from", [101, 102, 131, 139, 1000])
def test_what_a_pruned_node_has_deleted_is_lost_and_the_rest_is_filled(
    history: DatabasePriceHistory, kept_from: int
) -> None:
    probes: list[int] = []

    def is_kept(height: int) -> bool:
        probes.append(height)
        return height >= kept_from

    estimates = unreadable(BlockPrunedError("pruned"), min(kept_from, 140))
    done, progress = fill(history, estimates, count=40, is_kept=is_kept)
    lost = min(kept_from, 140) - 100
    assert done == Filled(valid=40 - lost, lost=lost)
    assert sum(progress) == 40
    assert len(probes) <= 7
    assert [row.timestamp for row in rows(history)] == [
        START + each * timedelta(minutes=10) for each in range(lost, 40)
    ]


@pytest.mark.parametrize("kept_from", [101, 131, 1000])
def test_what_a_source_may_have_that_is_away_is_not_lost_and_does_not_hold_up_the_rest(
    history: DatabasePriceHistory, caplog: pytest.LogCaptureFixture, kept_from: int
) -> None:
    def is_kept(height: int) -> bool:
        if height < kept_from:
            raise BlockAwayError("electrs is away")
        return True

    estimates = unreadable(BlockAwayError("electrs is away"), min(kept_from, 140))
    done, progress = fill(history, estimates, count=40, is_kept=is_kept)
    waiting = min(kept_from, 140) - 100
    assert done == Filled(
        valid=40 - waiting, passed_over=waiting, first_passed_over=START, waits_because="electrs is away"
    )
    assert sum(progress) == 40
    (record,) = caplog.records
    assert (record.message, vars(record)["gaps"], vars(record)["reason"]) == (
        "gaps wait for a source of blocks that is away",
        waiting,
        "electrs is away",
    )


def test_a_source_that_goes_away_while_it_is_looked_for_the_first_block_that_is_left_loses_nothing(
    history: DatabasePriceHistory,
) -> None:
    def is_kept(height: int) -> bool:
        if height < 120:
            return False
        if height < 130:
            raise BlockAwayError("electrs is away")
        return True

    done, _ = fill(history, unreadable(BlockPrunedError("pruned"), 130), count=40, is_kept=is_kept)
    assert (done.lost, done.passed_over, done.first_passed_over, done.valid) == (0, 30, START, 10)


def test_blocks_that_a_node_has_deleted_here_and_there_cost_their_own_gaps_only(history: DatabasePriceHistory) -> None:
    estimates = Estimates(**{f"at_{each}": BlockPrunedError("pruned") for each in (103, 105, 106)})
    done, progress = fill(history, estimates, count=8, is_kept=lambda height: height not in {105, 106})
    assert done == Filled(valid=5, lost=3)
    assert progress == [1, 1, 1, 1, 1, 2, 1]
    assert estimates.asked == [100, 101, 102, 103, 104, 105, 107]


def test_many_that_wait_for_one_reason_are_told_once(
    history: DatabasePriceHistory, caplog: pytest.LogCaptureFixture
) -> None:
    done, _ = fill(history, unreadable(BlockAwayError("electrs is away"), 130), count=30)
    assert (done.passed_over, done.left, len(caplog.records)) == (30, 0, 1)


def test_however_long_it_took_to_pass_a_stretch_one_gap_after_it_is_tried(history: DatabasePriceHistory) -> None:
    estimates = unreadable(BlockAwayError("electrs is away"), 120)
    done, _ = fill(
        history, estimates, count=40, is_kept=lambda height: height >= 120, keep_going=lambda filled: filled.rows < 1
    )
    assert (done.passed_over, done.valid, done.left) == (20, 1, 19)


def test_it_can_be_ended_between_gaps_that_cannot_be_read(history: DatabasePriceHistory) -> None:
    estimates = unreadable(BlockAwayError("electrs is away"), 130)
    done, _ = fill(history, estimates, count=30, keep_going=lambda filled: filled.passed_over < 3)
    assert (done.passed_over, done.left, estimates.asked) == (3, 27, [100, 101, 102])


def test_it_ends_after_the_row_at_hand_when_it_is_told_to(history: DatabasePriceHistory) -> None:
    done, _ = fill(history, Estimates(), keep_going=lambda filled: filled.rows < 2)
    assert done == Filled(valid=2, left=3)
    assert len(rows(history)) == 2


def test_each_row_is_judged_by_the_valid_one_before_it(
    history: DatabasePriceHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    befores: list[datetime | None] = []
    original = history.newest_valid_before

    def noted(moment: datetime) -> PriceComparison | None:
        found = original(moment)
        befores.append(None if found is None else found.timestamp)
        return found

    monkeypatch.setattr(history, "newest_valid_before", noted)
    fill(history, Estimates(at_101=NotEnoughDataError("thin")), count=4)
    assert befores == [None, START, START + timedelta(minutes=20)]


def test_a_database_that_goes_away_keeps_what_was_written(
    history: DatabasePriceHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, kept = history.record, 0

    def failing(comparison: PriceComparison, now: datetime) -> int:
        nonlocal kept
        if kept == 3:
            raise StorageError("away")
        kept += 1
        return original(comparison, now)

    monkeypatch.setattr(history, "record", failing)
    with pytest.raises(StorageError, match="away"):
        fill(history, Estimates())
    assert len(rows(history)) == 3


def test_estimates_are_closed_when_it_ends_early(history: DatabasePriceHistory) -> None:
    ended: list[str] = []

    def estimates(heights: Iterable[int]):  # type: ignore[no-untyped-def] # noqa: ANN202 - the port says it
        try:
            for _ in heights:
                yield PRICE
        finally:
            ended.append("closed")

    backfill = Backfill(estimates, None, history, LIMITS, lambda: NOW)
    backfill.fill(gaps_of(5), search=lambda: lambda _: True, keep_going=lambda _: False)
    assert ended == ["closed"]


# From a node


@pytest.fixture
def node() -> Iterable[FakeNode]:
    with running(chain(COMMITTED)) as served:
        yield served


def from_node(node: FakeNode, database: Database) -> tuple[Gaps, Filled]:
    source = block_source(node.url)
    gaps = find_gaps(source, DatabaseKnownRows(database), SPAN, min_confirmations=2)
    kept = MemoryExtracts(WINDOW_BLOCKS)
    estimate = partial(estimate_at, source, "main", window_blocks=WINDOW_BLOCKS, kept=kept)
    history = DatabasePriceHistory(database, lambda: None)
    backfill = Backfill(one_by_one(estimate), None, history, LIMITS, lambda: NOW)
    return gaps, backfill.fill(gaps, search=kept_windows(source, WINDOW_BLOCKS))


def test_a_row_says_what_an_estimate_of_its_own_says(node: FakeNode, database: Database) -> None:
    gaps, filled = from_node(node, database)
    assert filled.rows == len(gaps) > 12
    kept = list(DatabasePriceHistory(database, lambda: None).between(SPAN.start, SPAN.end))
    for row in (kept[0], kept[11], kept[-1]):
        assert row.block_height is not None
        price = estimate_at(block_source(node.url), "main", row.block_height, window_blocks=WINDOW_BLOCKS)
        before = DatabasePriceHistory(database, lambda: None).newest_valid_before(row.timestamp)
        empty = PriceComparison(timestamp=row.timestamp, source="backfill")
        assert replace(judged(empty, price, LIMITS, before), block_source=row.block_source) == row


def test_nothing_later_than_the_block_is_asked_for(node: FakeNode, database: Database) -> None:
    asked: list[str] = []
    node.before_block = asked.append
    gaps, _ = from_node(node, database)
    heights = {node.hash_at(height): height for height in chain(COMMITTED) if height <= max(chain(COMMITTED))}
    assert max(heights[each] for each in asked) == gaps[-1].height == max(chain(COMMITTED)) - 1
    assert len(asked) == len(set(asked)), "a block was read twice"


def test_a_second_time_there_is_nothing_to_do(node: FakeNode, database: Database) -> None:
    from_node(node, database)
    gaps, filled = from_node(node, database)
    assert (len(gaps), filled) == (0, Filled())


def test_a_node_that_is_pruned_in_the_middle_of_the_range_loses_the_first_part(
    node: FakeNode, database: Database
) -> None:
    first_kept = 848_110
    node.instead = {node.hash_at(height): None for height in chain(COMMITTED) if height < first_kept}
    gaps, filled = from_node(node, database)
    lost = [gap for gap in gaps if gap.height - WINDOW_BLOCKS + 1 < first_kept]
    assert filled.lost == len(lost) > 0
    assert filled.rows == len(gaps) - len(lost) > 0


def test_a_chain_that_became_shorter_meanwhile_has_its_last_blocks_passed_over(
    node: FakeNode, database: Database
) -> None:
    blocks, tip = chain(COMMITTED), max(chain(COMMITTED))

    def shorten(block_hash: str) -> None:
        if block_hash == node.hash_at(848_130):
            node.before_block = lambda _: None
            node.serve({height: raw for height, raw in blocks.items() if height <= tip - 3})

    node.before_block = shorten
    gaps, filled = from_node(node, database)
    gone = [gap for gap in gaps if gap.height > tip - 3]
    assert filled.passed_over == len(gone) > 0
    assert filled.rows == len(gaps) - len(gone)


def test_another_network_writes_nothing(node: FakeNode, database: Database) -> None:
    node.network = "test"
    gaps, filled = from_node(node, database)
    assert (filled.rows, filled.left) == (0, len(gaps))
    assert "BITCOIN_NETWORK says main" in str(filled.stopped_by)


# After a live run


class Mark:
    def __init__(self, until: datetime | None = None) -> None:
        self.healed = None if until is None else Healed(until)

    @property
    def until(self) -> datetime | None:
        return self.healed.until if self.healed else None

    def load(self) -> Healed | None:
        return self.healed

    def save(self, healed: Healed) -> None:
        self.healed = healed


def heal(  # noqa: PLR0913 - what a test leaves out is as usual
    node: FakeNode,
    database: Database,
    mark: Mark,
    estimates: Callable[[int], OnchainPrice],
    *,
    now: datetime = NOW,
    seconds_a_tick: float = 3.0,
    is_kept: Callable[[int], bool] = lambda _: True,
) -> Filled | None:
    source, ticks = block_source(node.url), iter(range(10_000))
    history = DatabasePriceHistory(database, lambda: None)
    backfill = Backfill(one_by_one(estimates), None, history, LIMITS, lambda: now)
    healing = Healing(source, DatabaseKnownRows(database), backfill, mark, 2)
    return healing.run(now, lambda: is_kept, lambda: seconds_a_tick * next(ticks))


@dataclass
class Lacking:
    """Blocks of which those below a height have to wait for electrs."""

    below: int

    def is_kept(self, height: int) -> bool:
        if height < self.below:
            raise BlockAwayError("electrs is away")
        return True

    def estimate(self, height: int) -> OnchainPrice:
        self.is_kept(height)
        return PRICE


def filled_slots(database: Database) -> set[datetime]:
    return {row.timestamp for row in rows(DatabasePriceHistory(database, lambda: None)) if row.is_valid}


@pytest.fixture
def first_live(history: DatabasePriceHistory) -> None:
    history.record(PriceComparison(timestamp=START, invalid_reason="node_unreachable"), NOW)


@pytest.mark.usefixtures("first_live")
def test_downtime_since_the_first_live_row_heals_itself_a_little_each_run(node: FakeNode, database: Database) -> None:
    mark = Mark()
    first = heal(node, database, mark, Estimates())
    assert first is not None
    # Each row takes three seconds of this clock.
    assert MOST_SECONDS / 3 - 1 <= first.rows <= MOST_SECONDS / 3 < MOST_ROWS
    while first is not None and first.left:
        assert mark.until is not None
        assert mark.until < SPAN.end
        first = heal(node, database, mark, Estimates())
    assert mark.until == datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
    assert heal(node, database, mark, Estimates()) is None


@pytest.mark.usefixtures("first_live")
def test_the_mark_follows_the_oldest_gap_that_is_left(node: FakeNode, database: Database) -> None:
    mark = Mark()
    filled = heal(node, database, mark, Estimates())
    assert filled is not None
    left = find_gaps(block_source(node.url), DatabaseKnownRows(database), Span(START, NOW), min_confirmations=2)
    assert (len(left), left[0].slot) == (filled.left, mark.until)


@pytest.mark.usefixtures("first_live")
def test_what_there_was_no_time_to_look_through_is_not_marked_as_healed(node: FakeNode, database: Database) -> None:
    heal(node, database, Mark(), Estimates(), seconds_a_tick=0.0)
    mark = Mark()
    assert heal(node, database, mark, Estimates(), seconds_a_tick=MOST_SECONDS) is None
    newest = DatabasePriceHistory(database, lambda: None).newest()
    assert newest is not None
    assert mark.until == newest.timestamp + timedelta(minutes=10)


@pytest.mark.usefixtures("first_live")
def test_however_slowly_headers_come_what_waits_holds_up_nothing(
    node: FakeNode, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A look has time for three, and the first five have to wait.
    monkeypatch.setattr(gaps, "_CHUNK", 3)
    every = find_gaps(block_source(node.url), DatabaseKnownRows(database), Span(START, NOW), min_confirmations=2)
    blocks, waiting = Lacking(below=every[5].height), {gap.slot for gap in every[:5]}
    mark = Mark()
    for _ in range(3 * len(every)):
        filled = heal(node, database, mark, blocks.estimate, seconds_a_tick=MOST_SECONDS, is_kept=blocks.is_kept)
        assert filled is None or filled.lost == 0
        assert mark.until == every[0].slot
    assert filled_slots(database) == {gap.slot for gap in every} - waiting
    blocks.below = 0
    for _ in range(3 * len(every)):
        heal(node, database, mark, blocks.estimate, seconds_a_tick=MOST_SECONDS)
    assert filled_slots(database) == {gap.slot for gap in every}
    assert mark.healed == Healed(datetime(2026, 11, 24, 12, 30, tzinfo=UTC))


@pytest.mark.usefixtures("first_live")
def test_a_gap_that_was_found_late_and_waits_is_looked_for_again(
    node: FakeNode, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps, "_CHUNK", 3)
    every = find_gaps(block_source(node.url), DatabaseKnownRows(database), Span(START, NOW), min_confirmations=2)
    blocks = Lacking(below=every[2].height)
    # The mark is at the third, where the first look ends.
    mark = Mark(every[2].slot)
    for _ in range(3 * len(every)):
        heal(node, database, mark, blocks.estimate, seconds_a_tick=MOST_SECONDS, is_kept=blocks.is_kept)
    blocks.below = 0
    for _ in range(3 * len(every)):
        heal(node, database, mark, blocks.estimate, is_kept=blocks.is_kept)
    assert filled_slots(database) == {gap.slot for gap in every}


@pytest.mark.usefixtures("first_live")
def test_a_gap_found_late_does_not_take_the_mark_back(node: FakeNode, database: Database) -> None:
    mark = Mark(datetime(2024, 6, 16, 20, tzinfo=UTC))
    filled = heal(node, database, mark, Estimates(), seconds_a_tick=MOST_SECONDS / 2)
    assert filled is not None
    # Only some of the day before the mark was come to.
    assert 0 < filled.rows < 5
    assert filled.left
    assert mark.healed == Healed(datetime(2024, 6, 16, 20, tzinfo=UTC))


def test_before_the_first_live_row_nothing_is_filled_by_itself(node: FakeNode, database: Database) -> None:
    assert heal(node, database, Mark(), Estimates()) is None


@pytest.mark.usefixtures("first_live")
def test_what_was_healed_is_not_looked_through_again(node: FakeNode, database: Database) -> None:
    assert heal(node, database, Mark(START + timedelta(days=10)), Estimates()) is None


@pytest.mark.usefixtures("first_live")
def test_a_clock_that_was_ahead_leaves_no_mark_that_counts(node: FakeNode, database: Database) -> None:
    filled = heal(node, database, Mark(NOW + timedelta(days=900)), Estimates())
    assert filled is not None
    assert filled.rows


@pytest.mark.usefixtures("first_live")
def test_a_clock_that_jumped_back_fills_nothing_of_what_is_then_the_future(node: FakeNode, database: Database) -> None:
    back = START - timedelta(days=1)
    assert heal(node, database, Mark(), Estimates(), now=back) is None
    filled = heal(node, database, Mark(), Estimates(), now=START + timedelta(hours=2))
    assert filled is not None
    history = DatabasePriceHistory(database, lambda: None)
    assert all(row.timestamp < START + timedelta(hours=2) for row in rows(history))


# A pruned node, and electrs, which has all blocks and is away at times

FIRST_KEPT = 848_110


@dataclass
class Clock:
    now: datetime

    def seconds(self) -> float:
        return self.now.timestamp()


@dataclass
class Appliance:
    """Runs that heal, each an hour after the one before and with sources of its own."""

    node: FakeNode
    electrs: FakeEsplora
    database: Database
    breaker: SourceBreaker
    clock: Clock
    mark: Mark = field(default_factory=Mark)

    def heals(self, after: timedelta = timedelta(hours=1)) -> Filled:
        self.clock.now += after
        now = self.clock.now
        electrs = EsploraBlocks(EsploraHttp(Service("electrs", self.electrs.url)), "main", lambda: now)
        source = FallbackBlockSource(RestBlockSource(BitcoindHttp(self.node.url)), electrs, breaker=self.breaker)
        source = source.sparing()
        kept = MemoryExtracts(WINDOW_BLOCKS)
        estimate = partial(estimate_at, source, "main", window_blocks=WINDOW_BLOCKS, kept=kept)
        history = DatabasePriceHistory(self.database, lambda: None)
        backfill = Backfill(one_by_one(estimate), None, history, LIMITS, lambda: now)
        healing = Healing(source, DatabaseKnownRows(self.database), backfill, self.mark, 2)
        filled = healing.run(now, kept_windows(source, WINDOW_BLOCKS), lambda: 0.0)
        return filled or Filled()


@pytest.fixture
def appliance(node: FakeNode, database: Database, first_live: None) -> Iterator[Appliance]:  # noqa: ARG001
    node.instead = {node.hash_at(height): None for height in chain(COMMITTED) if height < FIRST_KEPT}
    clock = Clock(datetime(2024, 6, 17, 12, tzinfo=UTC))
    with esplora(chain(COMMITTED), genesis=GENESIS["main"]) as electrs:
        breaker = SourceBreaker(NoMemory(), lambda _: Delays(600, 6 * 3600), clock.seconds)
        yield Appliance(node, electrs, database, breaker, clock)


class NoMemory:
    def load(self) -> dict[str, Trouble]:
        return {}

    def save(self, troubles: Mapping[str, Trouble]) -> None:
        pass


def test_what_a_pruned_node_lacks_waits_for_electrs_and_all_else_is_healed(appliance: Appliance) -> None:
    appliance.electrs.status = 503
    first = appliance.heals()
    assert (first.lost, first.left) == (0, 0)
    assert first.rows > 5
    assert first.passed_over > 5
    assert "has deleted a block" in str(first.waits_because)
    assert "electrs at" in str(first.waits_because)
    assert appliance.mark.until == first.first_passed_over
    again = appliance.heals()
    assert (again.rows, again.passed_over, appliance.mark.until) == (0, first.passed_over, first.first_passed_over)
    appliance.electrs.status = None
    healed = appliance.heals(after=timedelta(hours=7))
    assert (healed.rows, healed.passed_over, healed.lost) == (first.passed_over, 0, 0)
    assert appliance.mark.until == datetime(2024, 6, 17, 21, tzinfo=UTC)
    assert appliance.heals() == Filled()


def test_what_electrs_has_not_either_is_lost_and_the_mark_moves_on(appliance: Appliance) -> None:
    appliance.electrs.answer = lambda path: (  # type: ignore[method-assign] # it knows its first block, and no other
        (200, GENESIS["main"].encode()) if path == "/block-height/0" else (404, b"Block not found")
    )
    filled = appliance.heals()
    assert filled.lost > 5
    assert (filled.passed_over, filled.left) == (0, 0)
    assert appliance.mark.until == appliance.clock.now


def test_a_source_that_failed_in_one_search_is_asked_again_in_the_next(appliance: Appliance) -> None:
    electrs = EsploraBlocks(EsploraHttp(Service("electrs", appliance.electrs.url)), "main", lambda: appliance.clock.now)
    node = RestBlockSource(BitcoindHttp(appliance.node.url))
    search = kept_windows(FallbackBlockSource(node, electrs, breaker=appliance.breaker), WINDOW_BLOCKS)
    appliance.electrs.status = 503
    is_kept = search()
    with pytest.raises(BlockAwayError):
        is_kept(FIRST_KEPT)
    appliance.electrs.status = None
    asked = len(appliance.electrs.paths)
    with pytest.raises(BlockAwayError):
        is_kept(FIRST_KEPT)
    assert len(appliance.electrs.paths) == asked
    assert search()(FIRST_KEPT)


def test_while_electrs_stays_away_each_run_costs_little_and_few_ask_it(appliance: Appliance) -> None:
    appliance.electrs.status = 503
    appliance.heals()
    asked_before, paths_before = appliance.node.asked.total(), len(appliance.electrs.paths)
    runs = 48
    for _ in range(runs):
        assert appliance.heals().lost == 0
    assert (appliance.node.asked.total() - asked_before) / runs < 40
    # In the end every six hours.
    assert len(appliance.electrs.paths) - paths_before <= runs / 6 + 4


def test_outcomes_are_told_in_order() -> None:
    estimates = one_by_one(Estimates(at_2=NodeUnreachableError("gone")))
    outcomes: list[Outcome] = list(estimates([1, 2, 3]))
    assert [isinstance(each, OnchainPriceError) for each in outcomes] == [False, True, False]

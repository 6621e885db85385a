"""Which hours and days are scored anew, and what it costs; what their scores are is told elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.whales.score import Figure, Resolved, score_of
from app.services.storage import StorageError
from app.services.whales.scores import Mark, Scores, Seen, Window, WindowScore

NOW = datetime(2026, 11, 28, 12, 10, tzinfo=UTC)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
# Of minutes, in which all windows come round that anything may change in.
ROUND = 16


class Ledger:
    """Answers ScoreStore, in memory.

    Attributes:
        ended: Predictions whose end is known.
        read: How many of them were read.
        kept: The scores.
        is_failing: It keeps nothing.
    """

    def __init__(self) -> None:
        self.ended: list[Resolved] = []
        self.read = 0
        self.kept: dict[Window, WindowScore] = {}
        self.is_failing = False

    def end(self, at: datetime, count: int = 1, outcome: str = "confirmed") -> None:
        """Let so many predictions end."""
        self.ended += [_ended(at, outcome)] * count

    def resolved(self, start: datetime, end: datetime) -> Sequence[Resolved]:
        found = self._within(start, end)
        self.read += len(found)
        return found

    def accuracy(self, start: datetime, end: datetime) -> Figure:
        return score_of(self._within(start, end)).accuracy

    def seen(self, start: datetime, end: datetime) -> Seen:  # noqa: ARG002 - of the port
        return Seen(0, Figure(None, 0), 0)

    def mark(self, start: datetime, end: datetime) -> Mark:
        found = self._within(start, end)
        return Mark(len(found), max((each.resolved_at for each in found), default=None), 0, 0)

    def kept_since(self) -> datetime | None:
        return min((window.start for window in self.kept if window.period == "hour"), default=None)

    def keep(self, scores: Sequence[WindowScore], recent: Figure, now: datetime) -> None:  # noqa: ARG002 - of the port
        if self.is_failing:
            raise StorageError("the disk is full")
        self.kept |= {each.window: each for each in scores}

    def hour(self, at: datetime) -> tuple[int, int]:
        """Return how many were confirmed and dropped in the hour of `at`, as it is kept."""
        score = self.kept[Window("hour", at.replace(minute=0))].score
        return score.confirmed, score.dropped

    def day(self, at: datetime) -> tuple[int, int]:
        score = self.kept[Window("day", at.replace(hour=0, minute=0))].score
        return score.confirmed, score.dropped

    def _within(self, start: datetime, end: datetime) -> list[Resolved]:
        return [each for each in self.ended if start <= each.resolved_at < end]


def _ended(at: datetime, outcome: str) -> Resolved:
    return Resolved(
        prediction_id="p",
        predicted_at=at - 10 * MINUTE,
        tip_height=100,
        predicted_block=101,
        earliest_block=101,
        latest_block=103,
        next_block_probability=0.5,
        distribution=[0.5, 0.5],
        baseline_block=None,
        outcome=outcome,
        outcome_block=101 if outcome == "confirmed" else None,
        resolved_at=at,
        on_time=outcome == "confirmed",
        is_replaced=False,
    )


@pytest.fixture
def ledger() -> Ledger:
    """Scores of the last three weeks, kept by a process that has ended."""
    ledger = Ledger()
    go_on(Scores(ledger), NOW - 3 * 7 * DAY, 1)
    return ledger


@pytest.fixture
def scores(ledger: Ledger) -> Scores:
    return Scores(ledger)


def go_on(scores: Scores, since: datetime, minutes: int) -> datetime:
    """Keep the score once a minute for so long; return when that ends."""
    for minute in range(minutes):
        scores.refresh(since + minute * MINUTE)
    return since + minutes * MINUTE


def test_what_has_not_changed_is_not_read_again(scores: Scores, ledger: Ledger) -> None:
    for hours in range(48):
        ledger.end(NOW - hours * HOUR, 10)
    later = go_on(scores, NOW, ROUND)
    ledger.read = 0
    later = go_on(scores, later, 10)
    assert ledger.read == 0
    ledger.end(later)
    go_on(scores, later, 1)
    assert ledger.hour(later) == (11, 0)


def test_while_whales_end_all_the_time_their_hour_is_read_each_minute_and_their_day_once_a_round(
    scores: Scores, ledger: Ledger
) -> None:
    today, an_hour = 12, 100
    for hours in range(48):
        ledger.end(NOW - hours * HOUR, an_hour)
    later = go_on(scores, NOW, ROUND)
    ledger.read = 0
    for more in range(1, ROUND + 1):
        ledger.end(later)
        later = go_on(scores, later, 1)
        assert ledger.hour(NOW) == (an_hour + more, 0)
    assert ledger.read <= ROUND * (an_hour + ROUND) + 2 * ((today + 1) * an_hour + ROUND)
    assert ledger.day(NOW)[0] > (today + 1) * an_hour


def test_however_much_there_is_to_be_scored_it_is_read_in_pieces(scores: Scores, ledger: Ledger) -> None:
    an_hour, a_day, hours = 50, 24 * 50, range(24 * 10)
    for back in hours:
        ledger.end(NOW - back * HOUR, an_hour)
    for minute in range(2 * ROUND):
        ledger.read = 0
        scores.refresh(NOW + minute * MINUTE)
        assert ledger.read <= 2_000 + a_day + an_hour
    assert {ledger.hour(NOW - back * HOUR) for back in hours} == {(an_hour, 0)}
    assert {ledger.day(NOW - back * DAY) for back in range(1, 9)} == {(a_day, 0)}


def test_what_a_node_tells_after_hours_of_silence_counts_when_it_happened(scores: Scores, ledger: Ledger) -> None:
    later = go_on(scores, NOW - 12 * HOUR, 12 * 60)
    block_came = NOW - 5 * HOUR
    assert ledger.hour(block_came) == (0, 0)
    ledger.end(block_came, 3)
    go_on(scores, later, ROUND)
    assert ledger.hour(block_came) == ledger.day(block_came) == (3, 0)


def test_what_comes_back_days_after_it_was_dropped_counts_as_dropped_no_longer(scores: Scores, ledger: Ledger) -> None:
    dropped = NOW - 3 * DAY
    ledger.end(dropped, outcome="dropped")
    later = go_on(scores, NOW, ROUND)
    assert ledger.hour(dropped) == ledger.day(dropped) == (0, 1)
    ledger.ended.clear()
    ledger.end(later)
    later = go_on(scores, later, ROUND)
    assert ledger.hour(dropped) == ledger.day(dropped) == (0, 0)
    assert ledger.day(NOW) == (1, 0)


def test_that_it_came_back_while_no_process_ran_is_noticed_by_the_next(scores: Scores, ledger: Ledger) -> None:
    dropped = NOW - 3 * DAY
    ledger.end(dropped, outcome="dropped")
    later = go_on(scores, NOW, ROUND)
    ledger.ended.clear()
    go_on(Scores(ledger), later, ROUND)
    assert ledger.hour(dropped) == ledger.day(dropped) == (0, 0)


def test_a_clock_that_was_slow_at_first_keeps_nothing_from_being_caught_up_with(scores: Scores, ledger: Ledger) -> None:
    scores.refresh(NOW - 9 * DAY)
    ended = NOW - 2 * DAY
    ledger.end(ended, 3)
    go_on(scores, NOW, 2 * ROUND)
    assert ledger.hour(ended) == ledger.day(ended) == (3, 0)


def test_what_could_not_be_kept_is_kept_with_the_next(scores: Scores, ledger: Ledger) -> None:
    ledger.end(NOW, 3)
    ledger.end(NOW - 9 * DAY, 2)
    ledger.is_failing = True
    for minute in range(ROUND):
        with pytest.raises(StorageError):
            scores.refresh(NOW + minute * MINUTE)
    ledger.is_failing = False
    go_on(scores, NOW + ROUND * MINUTE, ROUND)
    assert (ledger.hour(NOW), ledger.hour(NOW - 9 * DAY)) == ((3, 0), (2, 0))

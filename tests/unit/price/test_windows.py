"""Which blocks belong to now, and which to a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.price.not_enough_data import NotEnoughDataError
from app.domain.price.windows import (
    ChainTooShortError,
    DayIncompleteError,
    Window,
    day_window,
    midnight_of,
    published_day_window,
    recent_window,
)
from tests.fakes.published import CASES, times

GENESIS = int(datetime(2024, 6, 10, 7, 30, tzinfo=UTC).timestamp())
DAYS = [date(2024, 6, 10) + timedelta(days=each) for each in range(-1, 8)]


def header_times(seed: int, blocks: int, ahead_seconds: int) -> list[int]:
    """Stamps as consensus allows them: beyond the median of the eleven before, up to some time ahead of the clock."""
    rng = np.random.default_rng(seed)
    stamped: list[int] = []
    clock = GENESIS
    for gap in rng.exponential(600, blocks):
        clock += int(gap)
        least = sorted(stamped[-11:])[len(stamped[-11:]) // 2] + 1 if stamped else GENESIS
        stamped.append(max(least, clock + int(rng.integers(-ahead_seconds, ahead_seconds + 1))))
    return stamped


def lookup(stamped: list[int], first: int = 0) -> Callable[[int], int | None]:
    return {first + at: time for at, time in enumerate(stamped)}.get


def slow_day_window(day: date, stamped: list[int]) -> Window:
    highest = np.maximum.accumulate(stamped)
    inside = np.flatnonzero((highest >= midnight_of(day)) & (highest < midnight_of(day) + 86_400))
    return Window(int(inside[0]), int(inside[-1]))


def test_by_default_the_tip_is_left_out() -> None:
    assert recent_window(tip=848_144, blocks=144, min_confirmations=2) == (848_000, 848_143)


@given(st.integers(0, 10**6), st.integers(1, 2016), st.integers(1, 100))
def test_the_newest_block_of_a_window_has_the_confirmations_asked_for(tip: int, blocks: int, least: int) -> None:
    try:
        window = recent_window(tip, blocks, least)
    except NotEnoughDataError:
        assert tip + 1 < blocks + least - 1
        return
    assert tip - window.last + 1 == least
    assert window.last - window.first + 1 == blocks
    assert window.first >= 0


def test_a_chain_too_short_says_how_many_blocks_it_lacks() -> None:
    with pytest.raises(
        NotEnoughDataError, match="the chain has 101 blocks, of which 100 have 2 confirmations; 144 are"
    ):
        recent_window(100, 144, 2)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0, 60, 900, 3600, 7200]))
def test_a_day_is_what_the_slow_rule_says_and_days_tile_the_chain(seed: int, ahead_seconds: int) -> None:
    stamped = header_times(seed, 800, ahead_seconds)
    tip = len(stamped) - 1
    windows = []
    for day in DAYS:
        try:
            window = day_window(day, tip, lookup(stamped))
        except DayIncompleteError:
            continue
        except NotEnoughDataError:
            assert day < date(2024, 6, 10)
            continue
        assert window == slow_day_window(day, stamped)
        windows.append(window)
    assert len(windows) >= 3
    assert windows[0].first == 0
    assert all(before.last + 1 == after.first for before, after in pairwise(windows))


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([900, 7200]), st.integers(0, 200))
def test_a_day_does_not_depend_on_when_it_is_asked_for(seed: int, ahead_seconds: int, later: int) -> None:
    stamped = header_times(seed, 700, ahead_seconds)
    day = date(2024, 6, 11)
    tip = next(tip for tip in range(len(stamped)) if not _is_incomplete(day, tip, stamped)) + later
    assert day_window(day, tip, lookup(stamped)) == slow_day_window(day, stamped)


def _is_incomplete(day: date, tip: int, stamped: list[int]) -> bool:
    try:
        day_window(day, tip, lookup(stamped))
    except DayIncompleteError:
        return True
    return False


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 150))
def test_with_times_in_order_the_published_search_finds_the_same_days(seed: int, shorter: int) -> None:
    # A block stamped on the very second of midnight is the day's or not, depending on where that search comes from.
    stamped = sorted({time + (time % 86_400 == 0) for time in header_times(seed, 1_000, 0)})
    tip = len(stamped) - 1 - shorter
    for day in DAYS[3:6]:
        assert day_window(day, tip, lookup(stamped)) == published_day_window(day, tip, lookup(stamped))


@pytest.mark.parametrize("name", CASES)
def test_both_rules_find_the_windows_of_the_published_figures(name: str) -> None:
    case = CASES[name]
    day, expected = date.fromisoformat(case["day"]), case["method"]
    for search in (day_window, published_day_window):
        assert search(day, case["tip"], times(name)) == (expected["first_height"], expected["last_height"])


def six_blocks_of(*days: tuple[int, int]) -> list[int]:
    """Header times: for each (day of June 2024, blocks) so many blocks, ten minutes apart from noon."""
    noons = [(midnight_of(date(2024, 6, day)) + 43_200, blocks) for day, blocks in days]
    return [noon + 600 * each for noon, blocks in noons for each in range(blocks)]


def test_a_day_is_over_when_six_blocks_follow_the_first_of_the_next() -> None:
    stamped = six_blocks_of((10, 20), (11, 20), (12, 7))
    time_of = lookup(stamped)
    with pytest.raises(DayIncompleteError, match="2024-06-11 is not over yet"):
        day_window(date(2024, 6, 11), len(stamped) - 2, time_of)
    with pytest.raises(DayIncompleteError, match="2024-06-11 is not over yet"):
        published_day_window(date(2024, 6, 11), len(stamped) - 2, time_of)
    assert day_window(date(2024, 6, 11), len(stamped) - 1, time_of) == (20, 39)


def test_a_day_without_blocks_says_so() -> None:
    stamped = six_blocks_of((10, 20), (12, 20))
    with pytest.raises(NotEnoughDataError, match="no block of 2024-06-11"):
        day_window(date(2024, 6, 11), len(stamped) - 1, lookup(stamped))


def test_a_day_that_begins_below_the_known_part_of_the_chain_is_refused() -> None:
    stamped = six_blocks_of((10, 20), (11, 20))
    with pytest.raises(ChainTooShortError, match="before 2024-06-10"):
        day_window(date(2024, 6, 10), 839, lookup(stamped, first=800))


def test_a_block_stamped_on_the_second_of_midnight_belongs_to_the_day_that_begins() -> None:
    midnight = midnight_of(date(2024, 6, 11))
    stamped = [midnight + 600 * (each - 100) for each in range(400)]
    assert day_window(date(2024, 6, 11), 399, lookup(stamped)) == (100, 243)


def test_a_block_stamped_late_before_midnight_begins_the_day() -> None:
    # The published search can land on either side of such a block, depending on the tip.
    midnight = midnight_of(date(2024, 6, 11))
    stamped = [midnight - 600 * (60 - each) for each in range(60)] + [midnight + 600 * each for each in range(300)]
    stamped[57] = midnight + 40
    for tip in range(220, 340):
        assert day_window(date(2024, 6, 11), tip, lookup(stamped)) == (57, 203)

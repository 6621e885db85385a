"""Which blocks an estimate is made from."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple

from app.domain.price.not_enough_data import NotEnoughDataError

if TYPE_CHECKING:
    from collections.abc import Callable

DAY_SECONDS = 86_400

# A day is over for good when this many blocks follow its first successor.
SETTLED_BLOCKS = 6

# How far below a block others may lie that were stamped later.
_LOOKBACK_BLOCKS = 144
_MEDIAN_BLOCKS = 11


class Window(NamedTuple):
    """Heights of the first and the last block, both included."""

    first: int
    last: int


class DayIncompleteError(NotEnoughDataError):
    """The chain does not reach far enough beyond the end of the day; the message names the day."""


class ChainTooShortError(NotEnoughDataError):
    """The headers do not reach back to the beginning of the day; the message names the day."""


def recent_window(tip: int, blocks: int, min_confirmations: int) -> Window:
    """Return the newest `blocks` blocks of which each has at least `min_confirmations`; the tip has one.

    Raises:
        NotEnoughDataError: The chain is shorter than that.
    """
    last = tip - (min_confirmations - 1)
    first = last - blocks + 1
    if first < 0:
        raise NotEnoughDataError(
            f"the chain has {tip + 1} blocks, of which {max(last + 1, 0)} have {min_confirmations} confirmations; "
            f"{blocks} are needed"
        )
    return Window(first, last)


def day_window(day: date, tip: int, time_of: Callable[[int], int | None]) -> Window:
    """Return the blocks of a UTC day: those from the first that was stamped in it, or later, to the next day's first.

    Depends on the chain alone, not on the tip: consecutive days neither overlap nor leave a block out, although header
    times may run backwards.

    Args:
        day: The day.
        tip: Height of the newest block.
        time_of: Header time of a height in seconds; None below the part of the chain that is known.

    Raises:
        DayIncompleteError: Fewer than six blocks follow the first of the next day.
        ChainTooShortError: Headers before the day are not known.
        NotEnoughDataError: No block belongs to the day.
    """
    midnight = midnight_of(day)
    following = _first_stamped_since(midnight + DAY_SECONDS, tip, time_of)
    if following is None or following > tip - SETTLED_BLOCKS:
        raise DayIncompleteError(
            f"{day} is not over yet: {SETTLED_BLOCKS} blocks must follow the first block of the next UTC day"
        )
    first = _first_stamped_since(midnight, following, time_of)
    if first is None or first == following:
        raise NotEnoughDataError(f"the chain has no block of {day}")
    if first > 0 and time_of(first - 1) is None:
        raise ChainTooShortError(f"the node does not know the blocks before {day}")
    return Window(first, following - 1)


def published_day_window(day: date, tip: int, time_of: Callable[[int], int | None]) -> Window:
    """Return the blocks of a UTC day as the published method searches them, for comparing with it.

    Differs from `day_window` only where header times run backwards across midnight, or a block is stamped on the very
    second, and then depends on the tip.

    Raises:
        DayIncompleteError: The day is not earlier than that of the block six below the tip.
        ChainTooShortError: The search left the part of the chain that is known.
    """

    def time(height: int) -> int:
        stamped = time_of(height) if 0 <= height <= tip else None
        if stamped is None:
            raise ChainTooShortError(f"the node does not know block {height}, which the search for {day} asks for")
        return stamped

    settled = tip - SETTLED_BLOCKS
    if day >= _day_of(time(settled)):
        raise DayIncompleteError(f"{day} is not over yet: block {settled} belongs to {_day_of(time(settled))}")
    first = _published_first(midnight_of(day), settled, time)
    last = first
    while last < tip and _day_of(time(last + 1)).day == _day_of(time(first)).day:
        last += 1
    return Window(first, last)


def midnight_of(day: date) -> int:
    """Return the beginning of the UTC day in seconds since 1970."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _first_stamped_since(moment: int, tip: int, time_of: Callable[[int], int | None]) -> int | None:
    """Return the first height stamped at `moment` or later; None while fewer than half of the newest blocks are.

    The median of eleven times never falls (consensus), so it can be searched by halving; what was stamped early lies
    shortly below.
    """

    def median_reached(height: int) -> bool:
        times = [time_of(each) for each in range(max(0, height - _MEDIAN_BLOCKS + 1), height + 1)]
        known = sorted(each for each in times if each is not None)
        return bool(known) and known[len(known) // 2] >= moment

    if not median_reached(tip):
        return None
    below, reached, step = tip, tip, 1
    while below >= 0 and median_reached(below):
        below, reached, step = below - step, below, step * 2
    below = max(below, -1)
    between = range(below + 1, reached)
    reached = between.start + bisect_left(between, x=True, key=median_reached)
    candidates = range(max(0, reached - _LOOKBACK_BLOCKS), reached + 1)
    times = ((height, time_of(height)) for height in candidates)
    return next(height for height, time in times if time is not None and time >= moment)


def _published_first(midnight: int, settled: int, time: Callable[[int], int]) -> int:
    def blocks_between(height: int) -> int:
        return round(144 * (time(height) - midnight) / DAY_SECONDS)

    height = settled - blocks_between(settled)
    jump = blocks_between(height)
    before, two_before = 0, 0
    while jump > SETTLED_BLOCKS and jump != two_before:
        two_before, before = before, jump
        height -= jump
        jump = blocks_between(height)
    if time(height) > midnight:
        while time(height) > midnight:
            height -= 1
        return height + 1
    while time(height) < midnight:
        height += 1
    return height


def _day_of(seconds: int) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()

"""Which blocks lack a price, and in which slot it belongs.

A block can be priced once it has the confirmations that the settings want. That moment is taken to be the running
maximum of the header times (they run backwards) up to the block that confirms it. The first 10-minute slot that begins
then or later is the one whose live run would have been the first to see it, and of several blocks in one slot that
run would have taken the newest: so a slot has one block at most, and a block one slot. Slots without a new block have
none, where a live run would have told the price of the one before again.

A gap is a block whose slot has no valid row of any source, and that no valid row of about that time names. On a day
without any valid row only the slot counts, whatever rows of other days may name. A block that a live run or a backfill
has tried, and that gave no price, is named by the row that says so, and is no gap either; an import tries nothing.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, overload

from app.domain.blocks.header import read_header
from app.domain.price.comparison import SLOT
from app.services.block_source import BlockUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from app.domain.price.comparison import Source
    from app.services.block_source import BlockSource

_SLOT_SECONDS = int(SLOT.total_seconds())
_DAY = timedelta(days=1)

# bitcoind's REST gives up to 2000 at once; over RPC each is a question of its own within a batch.
_STRETCH_HEADERS = 500
# Candidates that are compared with the rows of their time at once: about a week.
_CHUNK = 1000
# No block is stamped so early that a later one lies a day before it: consensus keeps them within hours.
_LOOKBACK_SECONDS = 86_400


class Gap(NamedTuple):
    """A block without a price, and the slot in which its row belongs."""

    slot: datetime
    height: int


class KnownRow(NamedTuple):
    """What a row says about whether there is a gap."""

    timestamp: datetime
    source: Source
    block_height: int | None
    is_valid: bool


class KnownRows(Protocol):
    """The rows that are there."""

    def between(self, start: datetime, end: datetime) -> Iterable[KnownRow]:
        """Return those with start <= timestamp < end, in any order."""

    def first_live(self) -> datetime | None:
        """Return the slot of the first live row; None when there is none."""


@dataclass(frozen=True, slots=True)
class Span:
    """Slots with start <= slot < end; aware UTC."""

    start: datetime
    end: datetime


class Gaps(Sequence[Gap]):
    """Gaps, oldest first, in 16 bytes each.

    Args:
        until: The slot before which they were looked for.

    Attributes:
        empty_days: The days that have no price at all.
    """

    def __init__(self, until: datetime) -> None:
        self._slots = array("q")
        self._heights = array("q")
        self.until = until
        self.empty_days: set[date] = set()

    def add(self, gap: Gap) -> None:
        """Append a gap, later than those before."""
        self._slots.append(int(gap.slot.timestamp()))
        self._heights.append(gap.height)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._slots)

    @overload
    def __getitem__(self, at: int) -> Gap: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Gap]: ...

    def __getitem__(self, at: int | slice) -> Gap | Sequence[Gap]:
        """Return one, or a list of several."""
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        return Gap(datetime.fromtimestamp(self._slots[at], UTC), self._heights[at])


def find_gaps(  # noqa: PLR0913 - where, and by name what is not as usual
    source: BlockSource,
    rows: KnownRows,
    span: Span,
    *,
    min_confirmations: int,
    retry_invalid: bool = False,
    keep_going: Callable[[], bool] = lambda: True,
) -> Gaps:
    """Return the gaps of `span`, or of its beginning.

    Args:
        source: The node; only its headers are read.
        rows: The rows that are there.
        span: Where gaps are looked for.
        min_confirmations: Confirmations that a block needs; 2 leaves out the tip.
        retry_invalid: Also the blocks that were tried before and gave no price.
        keep_going: Asked now and then; the rest is not looked at when it says no. A service other than bitcoind gives
            its headers ten at a time.

    Raises:
        OnchainPriceError: The node cannot be asked.
    """
    gaps = Gaps(span.end)
    candidates = _candidates(source, span, min_confirmations)
    while chunk := list(islice(candidates, _CHUNK)):
        known = _Known(rows, chunk, retry_invalid=retry_invalid)
        for gap in chunk:
            if known.lacks(gap):
                gaps.add(gap)
                if gap.slot.date() not in known.days:
                    gaps.empty_days.add(gap.slot.date())
        if not keep_going():
            gaps.until = chunk[-1].slot + SLOT
            break
    return gaps


class _Known:
    """What the rows of a chunk's time, and of a day around it, have."""

    def __init__(self, rows: KnownRows, chunk: Sequence[Gap], *, retry_invalid: bool) -> None:
        self.slots: set[datetime] = set()
        self.heights: set[int] = set()
        self.days: set[date] = set()
        self.tried: set[int] = set()
        for row in rows.between(_midnight(chunk[0].slot) - _DAY, _midnight(chunk[-1].slot) + 2 * _DAY):
            if row.is_valid:
                self.slots.add(row.timestamp)
                self.days.add(row.timestamp.date())
            if row.block_height is None:
                continue
            if row.is_valid:
                self.heights.add(row.block_height)
            elif row.source != "import" and not retry_invalid:
                self.tried.add(row.block_height)

    def lacks(self, gap: Gap) -> bool:
        if gap.slot in self.slots or gap.height in self.tried:
            return False
        return gap.height not in self.heights or gap.slot.date() not in self.days


def _candidates(source: BlockSource, span: Span, min_confirmations: int) -> Iterator[Gap]:
    """Yield each slot of `span` in which a block can be priced first, with the newest such block."""
    newest: Gap | None = None
    for confirming, confirmed_at in _confirmations(source, int(span.start.timestamp())):
        slot = datetime.fromtimestamp(-(-confirmed_at // _SLOT_SECONDS) * _SLOT_SECONDS, UTC)
        if newest is not None and newest.slot != slot:
            yield newest
            newest = None
        if slot >= span.end:
            return
        height = confirming - (min_confirmations - 1)
        if slot >= span.start and height >= 0:
            newest = Gap(slot, height)
    if newest is not None:
        yield newest


def _confirmations(source: BlockSource, start_seconds: int) -> Iterator[tuple[int, int]]:
    """Yield heights up to the tip with the running maximum of the times, from some before `start_seconds` on."""
    tip = source.status().tip_height
    height = _height_before(source, tip, start_seconds - _LOOKBACK_SECONDS)
    latest = 0
    while height <= tip:
        try:
            headers = source.headers(height, min(_STRETCH_HEADERS, tip - height + 1))
        except BlockUnknownError:
            # The chain has become shorter since.
            return
        for raw in headers:
            latest = max(latest, read_header(raw).time)
            yield height, latest
            height += 1


def _height_before(source: BlockSource, tip: int, moment: int) -> int:
    """Return a height that was stamped before `moment`, or the lowest that the node knows; not far below it."""
    upper, step = tip, _STRETCH_HEADERS
    lower = max(0, upper - step)
    while lower > 0:
        time = _time(source, lower)
        if time is None:
            return _lowest_known(source, lower, upper)
        if time < moment:
            return lower
        step *= 2
        upper, lower = lower, max(0, lower - step)
    return 0 if _time(source, 0) is not None else _lowest_known(source, 0, upper)


def _lowest_known(source: BlockSource, unknown: int, known: int) -> int:
    between = range(unknown + 1, known)
    return between.start + bisect_left(between, x=True, key=lambda height: _time(source, height) is not None)


def _time(source: BlockSource, height: int) -> int | None:
    try:
        return read_header(source.headers(height, 1)[0]).time
    except BlockUnknownError:
        return None


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)

"""What people are shown of the price history, and how old it may be before they are warned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.domain.price.comparison import SLOT, PriceComparison, slot_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from app.services.price_history import Bucket, DifferenceSummary, PriceHistory

# Three slots of the timer: one run may fail by an upstream's fault.
STALE_AFTER = 3 * SLOT

# Read in two or three milliseconds, so that whoever else wants something waits no longer. To hand a row on costs
# more than to look at it for a mean.
_PAGES: Mapping[Bucket, timedelta] = {"raw": timedelta(days=1), "hour": timedelta(days=8), "day": timedelta(days=8)}


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest row, and its age now."""

    comparison: PriceComparison
    age: timedelta

    @property
    def is_stale(self) -> bool:
        """Whether runs that should have brought a newer row have not."""
        return self.age > STALE_AFTER


@dataclass(frozen=True, slots=True)
class Timeframe:
    """From `start` up to, but without, `end`; aware UTC."""

    start: datetime
    end: datetime


class PriceView:
    """Reads the history as of now."""

    def __init__(self, history: PriceHistory, clock: Callable[[], datetime]) -> None:
        self._history = history
        self._clock = clock
        self._last_valid: tuple[str, PriceComparison | None] | None = None

    def latest(self) -> Latest | None:
        """Return the newest row, valid or not; None when there is no row yet."""
        newest = self._history.newest()
        return None if newest is None else Latest(newest, max(self._clock() - newest.timestamp, timedelta(0)))

    def last_valid(self) -> PriceComparison | None:
        """Return the newest valid row, of any age; None when there is none."""
        version = self._history.version()
        if self._last_valid is None or self._last_valid[0] != version:
            # Where no price is ever valid, as on a test network, this looks at every row.
            self._last_valid = (version, self._history.newest_valid_before(datetime.max.replace(tzinfo=UTC)))
        return self._last_valid[1]

    def last_days(self, days: int) -> Timeframe:
        """Return the timeframe of so many days, with the slot of now; the same for all of a slot."""
        end = slot_of(self._clock()) + SLOT
        return Timeframe(end - timedelta(days=days), end)

    def version(self) -> str:
        """Return what is another after every change of the rows."""
        return self._history.version()

    def pages(self, columns: Sequence[str], frame: Timeframe, bucket: Bucket) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield these columns of the rows of `frame`, oldest first, a page at a time; see `PriceHistory.table`.

        Each page is read when it is asked for, and as the table is then. Years before the first row cost nothing.
        """
        span = self._history.span()
        if span is None:
            return
        page = _PAGES[bucket]
        start, newest = max(frame.start, span[0]), span[1]
        while start < frame.end and start <= newest:
            # Cut at midnights, so that no bucket lies on two pages.
            midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
            end = frame.end if frame.end - midnight <= page else midnight + page
            yield self._history.table(columns, start, end, bucket)
            start = end

    def differences(self, frame: Timeframe) -> DifferenceSummary:
        """Summarise the differences of the valid rows of `frame`."""
        return self._history.differences(frame.start, frame.end)

    def recent_rows(self) -> Sequence[PriceComparison]:
        """Return the rows that are not stale, oldest first."""
        now = self._clock()
        # A row of the slot of now, and one from a clock that runs ahead, are recent as well.
        return self._history.between(now - STALE_AFTER, now + timedelta(days=1))

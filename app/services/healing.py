"""Use case: after a live run, fill what downtime of the appliance left open, a little each time."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from app.domain.price.comparison import slot_of
from app.services.gaps import Span, find_gaps

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.services.backfill import Backfill, Filled, Search
    from app.services.block_source import BlockSource
    from app.services.gaps import Gaps, KnownRows

_log = logging.getLogger(__name__)

# The timer's next slot must not wait, and the node has other things to do. A day of blocks, when each takes 200 ms.
MOST_ROWS = 144
MOST_SECONDS = 30.0

# Blocks are stamped hours early at most, so a later look a day further back misses none.
_LOOKBACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Healed:
    """How far a history is healed.

    Attributes:
        until: The slot before which there is no gap that can be filled.
        looked_until: The slot at which to go on looking, when there was no time to look through all that is later;
            else None.
        waits: Whether a gap before `looked_until` waits.
    """

    until: datetime
    looked_until: datetime | None = None
    waits: bool = False


class HealedMark(Protocol):
    """How far the history is healed, so that not each run looks through all of it."""

    def load(self) -> Healed | None:
        """Return it; None when it is not known."""

    def save(self, healed: Healed) -> None:
        """Remember it; not being able to costs time and nothing else."""


class Healing:
    """Fills the gaps since the first live row, oldest first; earlier ones are for `utxoracle backfill`.

    Oldest first, since a pruned node deletes those next. The mark stays at the oldest gap that may still be filled, if
    need be for ever: that costs each run a look through headers and rows from there on (for a year of them a second or
    two), one estimate, and the search for the first that can be filled. A look that has to end early, since headers
    come slowly, is gone on with by the next run, and begins at the mark again once it came to the end.
    """

    def __init__(
        self, source: BlockSource, rows: KnownRows, backfill: Backfill, mark: HealedMark, min_confirmations: int
    ) -> None:
        self._source = source
        self._rows = rows
        self._backfill = backfill
        self._mark = mark
        self._min_confirmations = min_confirmations

    def run(
        self,
        now: datetime,
        search: Search,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Filled | None:
        """Fill some gaps, and return what became of them; None when there was nothing to do.

        Raises:
            OnchainPriceError: The node cannot be asked.
            StorageError: The database failed.
        """
        ends_at = monotonic() + MOST_SECONDS
        healed = self._healed(now)
        span = self._span(now, healed)
        if span is None:
            return None
        gaps = find_gaps(
            self._source,
            self._rows,
            span,
            min_confirmations=self._min_confirmations,
            keep_going=lambda: monotonic() < ends_at,
        )
        filled = self._backfill.fill(
            gaps,
            search=search,
            keep_going=lambda so_far: so_far.rows < MOST_ROWS and monotonic() < ends_at,
        )
        new = _healed_now(healed, span, gaps, filled)
        if new != healed:
            self._mark.save(new)
        if not gaps:
            return None
        _log.info(
            "gaps filled",
            extra={
                "valid": filled.valid,
                "invalid": filled.invalid,
                "lost": filled.lost,
                "left": filled.left + filled.passed_over,
                "stopped_by": filled.stopped_by,
            },
        )
        return filled

    def _healed(self, now: datetime) -> Healed | None:
        healed = self._mark.load()
        # One of the future comes from a clock that was wrong.
        if healed is None or healed.until > slot_of(now):
            return None
        is_ahead = healed.looked_until is not None and healed.looked_until >= slot_of(now)
        return Healed(healed.until) if is_ahead else healed

    def _span(self, now: datetime, healed: Healed | None) -> Span | None:
        first, end = self._rows.first_live(), slot_of(now)
        if first is None or first >= end:
            return None
        if healed is None:
            return Span(first, end)
        return Span(max(first, healed.looked_until or healed.until - _LOOKBACK), end)


def _healed_now(before: Healed | None, span: Span, gaps: Gaps, filled: Filled) -> Healed:
    """Return how far the history is healed now that `gaps` of `span` were looked for and `filled`."""
    came_to = gaps[len(gaps) - filled.left].slot if filled.left else gaps.until
    waited = before is not None and before.looked_until is not None and before.waits
    until = min(came_to, filled.first_passed_over or came_to)
    if before is not None:
        # A gap that waits holds the mark where it is, be it one that was found late, within the lookback.
        until = before.until if waited else max(until, before.until)
    waits = waited or filled.first_passed_over is not None
    return Healed(until, came_to, waits) if gaps.until < span.end else Healed(until)

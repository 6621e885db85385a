"""Use case: after a live run, fill what downtime of the appliance left open, a little each time."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from app.domain.price.comparison import slot_of
from app.services.gaps import Span, find_gaps

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.services.backfill import Backfill, Filled
    from app.services.block_source import BlockSource
    from app.services.gaps import Gaps, KnownRows

_log = logging.getLogger(__name__)

# The timer's next slot must not wait, and the node has other things to do. A day of blocks, when each takes 200 ms.
MOST_ROWS = 144
MOST_SECONDS = 30.0

# Blocks are stamped hours early at most, so a later look a day further back misses none.
_LOOKBACK = timedelta(days=1)


class HealedMark(Protocol):
    """Up to when there are no gaps to be filled, so that not each run looks through all of the history."""

    def load(self) -> datetime | None:
        """Return it; None when it is not known."""

    def save(self, until: datetime) -> None:
        """Remember it; not being able to costs time and nothing else."""


class Healing:
    """Fills the gaps since the first live row, oldest first; earlier ones are for `utxoracle backfill`.

    Oldest first, since a pruned node deletes those next. The mark stays at the oldest gap that may still be filled, if
    need be for ever: that costs each run a look through headers and rows from there on (for a year of them a second or
    two), one estimate, and the search for the first that can be filled.
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
        is_kept: Callable[[int], bool],
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
            is_kept=is_kept,
            keep_going=lambda so_far: so_far.rows < MOST_ROWS and monotonic() < ends_at,
        )
        until = _settled_until(gaps, filled)
        if healed is None or until > healed:
            self._mark.save(until)
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

    def _healed(self, now: datetime) -> datetime | None:
        healed = self._mark.load()
        # One of the future comes from a clock that was wrong.
        return healed if healed is not None and healed <= slot_of(now) else None

    def _span(self, now: datetime, healed: datetime | None) -> Span | None:
        first, end = self._rows.first_live(), slot_of(now)
        if first is None or first >= end:
            return None
        return Span(first if healed is None else max(first, healed - _LOOKBACK), end)


def _settled_until(gaps: Gaps, filled: Filled) -> datetime:
    """Return the slot of the first gap that a later run may fill; without one, up to where gaps were looked for."""
    until = gaps[len(gaps) - filled.left].slot if filled.left else gaps.until
    return min(until, filled.first_passed_over or until)

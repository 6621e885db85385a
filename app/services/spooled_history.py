"""A price history that outlives an absence of the database: rows wait in a spool, and are replayed once, in order."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from app.services.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from app.domain.price.comparison import PriceComparison
    from app.services.price_history import Bucket, DifferenceSummary, PriceHistory

_log = logging.getLogger(__name__)

_INSTANT = timedelta(microseconds=1)


class SpoolError(Exception):
    """A row cannot be put into the spool; the message says why."""


class Spool(Protocol):
    """Rows that wait for the database."""

    def put(self, comparison: PriceComparison) -> None:
        """Keep `comparison` safely until it is removed, in place of one of the same slot and source.

        One that is not valid never takes the place of a valid one. Raises SpoolError.
        """

    def waiting(self) -> Iterator[PriceComparison]:
        """Yield the rows that wait, by their timestamps; what cannot be read is set aside."""

    def remove(self, comparison: PriceComparison) -> None:
        """Forget the row of that slot and source. Raises SpoolError."""

    def set_aside(self, comparison: PriceComparison, reason: str) -> None:
        """Keep the row where nobody will try it again, and say so."""


class SpooledPriceHistory:
    """Answers `app.services.price_history.PriceHistory` by another one, and spools what that cannot keep.

    Every failure of the database counts, an old schema as well: the next run after `utxoracle db upgrade` replays the
    row. Only one process may use the spool at a time.
    """

    def __init__(self, history: PriceHistory, spool: Spool) -> None:
        self._history = history
        self._spool = spool

    def begin(self, now: datetime) -> None:
        """Replay what waits, if that can be done now; else it goes on waiting for the next row."""
        try:
            self.replay(now)
        except (StorageError, SpoolError) as error:
            _log.warning("the spool waits", extra={"reason": str(error)})

    def replay(self, now: datetime) -> int:
        """Record what waits, oldest first, and return how many rows that was.

        A row that is there already was committed before somebody died: it is forgotten without a second event. One
        that the database refuses for what is in it is set aside, so that the others do not wait for it for ever.

        Raises:
            StorageError: The database is still, or again, away; what was not replayed goes on waiting.
            SpoolError: A replayed row cannot be removed.
        """
        replayed = 0
        for comparison in self._spool.waiting():
            try:
                if not self._is_there(comparison):
                    self._history.record(comparison, now)
                    replayed += 1
            except StorageError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a constraint's violation is called
                self._spool.set_aside(comparison, f"the database refuses it ({type(error).__name__})")
                continue
            self._spool.remove(comparison)
        if replayed:
            _log.info("rows of the spool were replayed", extra={"rows": replayed})
        return replayed

    def record(self, comparison: PriceComparison, now: datetime) -> int:
        """Keep `comparison` as the port says, after those that wait; when the database fails, keep it in the spool.

        Raises:
            StorageError: The database failed; its notes say what became of the row.
        """
        try:
            try:
                self.replay(now)
            except SpoolError as error:
                _log.warning("the spool waits", extra={"reason": str(error)})
            return self._history.record(comparison, now)
        except StorageError as failure:
            self._put(comparison, failure)
            raise

    def newest_valid_before(self, moment: datetime) -> PriceComparison | None:
        """Return the newest valid row before `moment`; without the database that of the spool."""
        try:
            return self._history.newest_valid_before(moment)
        except StorageError as failure:
            _log.warning("the row before is not known", extra={"reason": str(failure)})
            before = [each for each in self._spool.waiting() if each.is_valid and each.timestamp < moment]
            return before[-1] if before else None

    def newest(self) -> PriceComparison | None:
        """Return the newest row."""
        return self._history.newest()

    def span(self) -> tuple[datetime, datetime] | None:
        """Return the timestamps of the oldest and the newest row."""
        return self._history.span()

    def between(self, start: datetime, end: datetime) -> Sequence[PriceComparison]:
        """Return the rows of a time."""
        return self._history.between(start, end)

    def table(self, columns: Sequence[str], start: datetime, end: datetime, bucket: Bucket) -> Sequence[Sequence[Any]]:
        """Return columns of the rows of a time."""
        return self._history.table(columns, start, end, bucket)

    def version(self) -> str:
        """Return what is another after every change of the rows."""
        return self._history.version()

    def differences(self, start: datetime, end: datetime) -> DifferenceSummary:
        """Summarise the differences of a time."""
        return self._history.differences(start, end)

    def _is_there(self, comparison: PriceComparison) -> bool:
        slot = comparison.timestamp
        return comparison in self._history.between(slot, slot + _INSTANT)

    def _put(self, comparison: PriceComparison, failure: StorageError) -> None:
        try:
            self._spool.put(comparison)
        except SpoolError as error:
            failure.add_note(f"Nor could the row be spooled: {error}")
            _log.error("a row is lost", extra={"slot": comparison.timestamp.isoformat(), "reason": str(error)})
            return
        failure.add_note("The row waits in the spool.")
        _log.warning("a row waits in the spool", extra={"slot": comparison.timestamp.isoformat()})

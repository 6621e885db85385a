"""What the detector sees waiting in the mempool, as it last wrote it down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from app.services.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.domain.mempool.sight import MempoolSight
    from app.services.detector_report import DetectorView

# It writes every 10 seconds.
_MAX_AGE_SECONDS = 30.0


class MempoolRecord(Protocol):
    """The table `fee_snapshots`."""

    def newest(self) -> tuple[datetime, MempoolSight] | None:
        """Return what the detector last saw, and when; None before the first time. May raise StorageError."""


class DetectorSight:
    """The sight of one detector.

    Args:
        detector: Says whether it has looked at everything.
        record: Has what it saw.
        clock: The time, aware.
    """

    def __init__(self, detector: DetectorView, record: MempoolRecord, clock: Callable[[], datetime]) -> None:
        self._detector = detector
        self._record = record
        self._clock = clock

    def now(self) -> MempoolSight | None:
        """Return what waits; None when that is not known, not all of it yet, or not as of now."""
        try:
            report, newest = self._detector.report(), self._record.newest()
        except StorageError:
            # The check of the database tells of it.
            return None
        if report is None or newest is None or report.is_silent or report.figures.get("unread"):
            return None
        taken_at, sight = newest
        return sight if (self._clock() - taken_at).total_seconds() <= _MAX_AGE_SECONDS else None

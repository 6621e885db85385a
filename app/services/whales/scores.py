"""Use case: keep the score of the predictions, by the hour and by the day, and say when it is low."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from app.domain.whales.score import score_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.domain.whales.score import Figure, Resolved, Score

Period = Literal["hour", "day"]

_LENGTH = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
# An alarm is about a whole day at any moment: an hour has too few, and a calendar day none at midnight.
RECENT = timedelta(hours=24)


class Window(NamedTuple):
    """An hour or a day in UTC."""

    period: Period
    start: datetime

    @property
    def end(self) -> datetime:
        """Where the next one begins."""
        return self.start + _LENGTH[self.period]


class Seen(NamedTuple):
    """Whales of a window: how many were first seen in it, their mean urgency, and how many were missed."""

    whale_count: int
    urgency: Figure
    missed: int


class WindowScore(NamedTuple):
    """A row of `correlation_tracking`; predictions count in the window in which their end became known."""

    window: Window
    seen: Seen
    score: Score


class ScoreStore(Protocol):
    """What became of predictions, and the scores that are kept. Every method may raise StorageError."""

    def resolved(self, start: datetime, end: datetime) -> Sequence[Resolved]:
        """Return the predictions with start <= resolved_at < end."""

    def seen(self, start: datetime, end: datetime) -> Seen:
        """Return the whales with start <= first seen < end; of those missed counts when they were confirmed."""

    def keep(self, scores: Sequence[WindowScore], recent: Figure, now: datetime) -> None:
        """Put `scores` in place of those of their windows, and say it when `recent`, an accuracy, has become low."""


class Scores:
    """Keeps the score; doing it again changes nothing that has not changed itself."""

    def __init__(self, store: ScoreStore) -> None:
        self._store = store

    def refresh(self, now: datetime) -> None:
        """Bring the windows up to date in which something may still change; may raise StorageError."""
        windows = windows_at(now)
        # The day before today contains the others, and the last 24 hours.
        resolved = self._store.resolved(min(window.start for window in windows), now + timedelta.resolution)
        scores = [
            WindowScore(window, self._store.seen(window.start, window.end), score_of(_between(resolved, window)))
            for window in windows
        ]
        recent = score_of([each for each in resolved if each.resolved_at > now - RECENT])
        self._store.keep(scores, recent.accuracy, now)


def windows_at(now: datetime) -> list[Window]:
    """Return hour and day of `now` in UTC, and those before them, whose last minutes may be news."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    starts: tuple[tuple[Period, datetime], ...] = (("hour", hour), ("day", day))
    return [Window(period, start - back * _LENGTH[period]) for period, start in starts for back in (1, 0)]


def _between(resolved: Sequence[Resolved], window: Window) -> list[Resolved]:
    return [each for each in resolved if window.start <= each.resolved_at < window.end]

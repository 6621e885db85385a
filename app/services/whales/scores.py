"""Use case: keep the score of the predictions, by the hour and by the day, and say when it is low."""

from __future__ import annotations

from collections import deque
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from app.domain.whales.score import score_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from app.domain.whales.score import Figure, Resolved, Score

Period = Literal["hour", "day"]

_LENGTH = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
# An alarm is about a whole day at any moment: an hour has too few, and a calendar day none at midnight.
RECENT = timedelta(hours=24)
# In which blocks are caught up with that came while nobody looked; they count when they came.
_CATCHING_UP = timedelta(hours=1)
# As far as blocks are caught up with.
_MOST_MISSED = timedelta(weeks=2)
# Windows of that time that are looked at again at one time: some tens of milliseconds.
_SOME = 24


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

    def kept_since(self, now: datetime) -> datetime | None:
        """Return the start of the oldest hour that was kept in the last hour in which any was; None if none was ever.

        What says that it was kept after `now` does not count.
        """

    def keep(self, scores: Sequence[WindowScore], recent: Figure, now: datetime) -> None:
        """Put `scores` in place of those of their windows, and say it when `recent`, an accuracy, has become low."""


class Scores:
    """Keeps the score; doing it again changes nothing that has not changed itself.

    In its first hour it looks again at all windows since an earlier process, one after the other, a few at a time.
    """

    def __init__(self, store: ScoreStore) -> None:
        self._store = store
        self._earlier: deque[Window] = deque()
        self._caught_up_at: datetime | None = None

    def refresh(self, now: datetime) -> None:
        """Bring the windows up to date in which something may still change; may raise StorageError."""
        windows, earlier = windows_at(now), self._some_earlier(now)
        # The day before today contains the others, and the last 24 hours.
        resolved = self._store.resolved(min(window.start for window in windows), now + timedelta.resolution)
        scores = [self._score(window, _between(resolved, window)) for window in windows]
        scores += [self._score(window, self._store.resolved(window.start, window.end)) for window in earlier]
        recent = score_of([each for each in resolved if each.resolved_at > now - RECENT])
        self._store.keep(scores, recent.accuracy, now)

    def _score(self, window: Window, resolved: Sequence[Resolved]) -> WindowScore:
        return WindowScore(window, self._store.seen(window.start, window.end), score_of(resolved))

    def _some_earlier(self, now: datetime) -> list[Window]:
        """Return the windows before those of `now` that are next; they come round until all is caught up with."""
        if self._caught_up_at is None:
            since = self._store.kept_since(now)
            self._earlier.extend([] if since is None else windows_since(max(since, now - _MOST_MISSED), now))
            self._caught_up_at = now + _CATCHING_UP
        if now >= self._caught_up_at:
            self._earlier.clear()
        some = list(self._earlier)[:_SOME]
        self._earlier.rotate(-_SOME)
        return [window for window in some if window not in windows_at(now)]


def windows_at(now: datetime) -> list[Window]:
    """Return hour and day of `now` in UTC, and those before them, whose last minutes may be news."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    starts: tuple[tuple[Period, datetime], ...] = (("hour", hour), ("day", day))
    return [Window(period, start - back * _LENGTH[period]) for period, start in starts for back in (1, 0)]


def windows_since(since: datetime, now: datetime) -> list[Window]:
    """Return all hours and days in UTC from those of `since` to those of `now`."""
    (_, hour, _, day), (_, last_hour, _, last_day) = windows_at(since), windows_at(now)
    return [*_from(hour, last_hour), *_from(day, last_day)]


def _from(window: Window, last: Window) -> Iterator[Window]:
    while window.start <= last.start:
        yield window
        window = window._replace(start=window.end)


def _between(resolved: Sequence[Resolved], window: Window) -> list[Resolved]:
    return [each for each in resolved if window.start <= each.resolved_at < window.end]

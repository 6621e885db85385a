"""Use case: keep the score of the predictions, by the hour and by the day, and say when it is low."""

from __future__ import annotations

from collections import deque
from datetime import UTC, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from app.domain.whales.score import score_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from app.domain.whales.score import Figure, Resolved, Score

Period = Literal["hour", "day"]

_LENGTH = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
# An alarm is about a whole day at any moment: an hour has too few, and a calendar day none at midnight.
RECENT = timedelta(hours=24)
# As far as blocks are caught up with, which count when they came; and for so long what was dropped may come back.
_OPEN = timedelta(weeks=2)
# Windows that are looked at in one go; once a minute, so that all of two weeks come round in a quarter of an hour.
_SOME = 24
# Predictions of such windows, after which the next ones wait: nobody reads the stream in these tens of milliseconds.
_MANY_RESOLVED = 2_000


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


class Mark(NamedTuple):
    """What tells whether a window has changed, and can be had at little cost.

    Attributes:
        resolved: Predictions whose end became known in it.
        last_resolved_at: When that of the last one did.
        whales: First seen in it, missed or not.
        missed: As in Seen.
    """

    resolved: int
    last_resolved_at: datetime | None
    whales: int
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

    def accuracy(self, start: datetime, end: datetime) -> Figure:
        """Return the share of these that were on time, without reading them."""

    def seen(self, start: datetime, end: datetime) -> Seen:
        """Return the whales with start <= first seen < end; of those missed counts when they were confirmed."""

    def mark(self, start: datetime, end: datetime) -> Mark:
        """Return the mark of that time."""

    def kept_since(self) -> datetime | None:
        """Return the start of the oldest hour that was ever kept; None if none was."""

    def keep(self, scores: Sequence[WindowScore], recent: Figure, now: datetime) -> None:
        """Put `scores` in place of those of their windows, and say it when `recent`, an accuracy, has become low."""


class Scores:
    """Keeps the score, with the open hour always up to date.

    All other windows come round, newest first and a few at a time, for as long as anything may change in them: blocks
    count when they came, however late they are caught up with, and what comes back had not been dropped. Only those in
    which something has changed are scored anew; a process that has just started takes all of them for such.
    """

    def __init__(self, store: ScoreStore) -> None:
        self._store = store
        self._kept: dict[Window, Mark] = {}
        self._round: deque[Window] = deque()

    def refresh(self, now: datetime) -> None:
        """Bring the open hour and the windows that are next up to date; may raise StorageError."""
        if not self._round:
            self._begin_round(now)
        looked_at = self._look(now)
        changed = [window for window, mark in looked_at.items() if self._is_news(window, mark)]
        recent = self._store.accuracy(now - RECENT + timedelta.resolution, now + timedelta.resolution)
        self._store.keep([self._score(window) for window in changed], recent, now)
        # Last of all: what failed before is done again.
        self._kept.update(looked_at)
        while self._round and self._round[0] in looked_at:
            self._round.popleft()

    def _begin_round(self, now: datetime) -> None:
        since = min(now, self._store.kept_since() or now)
        self._round.extend(sorted(windows_since(max(since, now - _OPEN), now), key=lambda each: each.end, reverse=True))
        self._kept = {window: self._kept[window] for window in self._round if window in self._kept}

    def _look(self, now: datetime) -> Mapping[Window, Mark]:
        """Return the marks of the open hour and of the windows that are next."""
        open_hour = windows_at(now)[1]
        looked_at, resolved = {open_hour: self._mark(open_hour)}, 0
        for window in islice(self._round, _SOME):
            mark = looked_at[window] = self._mark(window)
            resolved += mark.resolved if self._is_news(window, mark) else 0
            if resolved >= _MANY_RESOLVED:
                break
        return looked_at

    def _is_news(self, window: Window, mark: Mark) -> bool:
        return mark != self._kept.get(window)

    def _mark(self, window: Window) -> Mark:
        return self._store.mark(window.start, window.end)

    def _score(self, window: Window) -> WindowScore:
        seen = self._store.seen(window.start, window.end)
        return WindowScore(window, seen, score_of(self._store.resolved(window.start, window.end)))


def windows_at(now: datetime) -> list[Window]:
    """Return hour and day of `now` in UTC, each after the one before it, whose last minutes may be news."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    starts: tuple[tuple[Period, datetime], ...] = (("hour", hour), ("day", day))
    return [Window(period, start - back * _LENGTH[period]) for period, start in starts for back in (1, 0)]


def windows_since(since: datetime, now: datetime) -> list[Window]:
    """Return all hours and days in UTC from those before `since` to those of `now`."""
    (hour, _, day, _), (_, last_hour, _, last_day) = windows_at(since), windows_at(now)
    return [*_from(hour, last_hour), *_from(day, last_day)]


def _from(window: Window, last: Window) -> Iterator[Window]:
    while window.start <= last.start:
        yield window
        window = window._replace(start=window.end)

"""What was added to the mempool a moment ago: to be looked at again when messages turn out to be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Recently:
    """The keys added in the last period and in the one before it.

    Of a transaction the stream sends two messages, and the second one can come where the first is lost: so all that
    was added between `seconds` and twice that ago counts as not seen once a loss is noticed.

    Args:
        seconds: How long a period is, unless it is held.
        most: That are held.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._turned_at = 0.0
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def add(self, key: int, at_seconds: float, *, is_held: bool) -> bool:
        """Add a key; times never go back. While `is_held` the period goes on, and nothing is forgotten for its age.

        Return False if so many were held that all but this one had to be forgotten.
        """
        has_room = not is_held or len(self._newer) + len(self._older) < self._most
        if not has_room:
            self.clear()
        elif not is_held and at_seconds - self._turned_at >= self._seconds:
            self._older, self._newer, self._turned_at = self._newer, set(), at_seconds
        self._newer.add(key)
        return has_room

    def __contains__(self, key: int) -> bool:
        """Return whether it was added recently."""
        return key in self._newer or key in self._older

    def __iter__(self) -> Iterator[int]:
        """Yield all that were added recently."""
        yield from self._newer
        yield from self._older

    def clear(self) -> None:
        """Forget all: it has been looked at again."""
        self._newer.clear()
        self._older.clear()

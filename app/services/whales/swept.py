"""What snapshots showed no longer: a block may hold it that is still to be looked through."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Swept:
    """Keys of what left the mempool while nobody said so.

    Args:
        most: Of more than twice that the oldest are forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def __contains__(self, key: int) -> bool:
        """Return whether a snapshot missed it, and it has not been forgotten since."""
        return key in self._newer or key in self._older

    def add(self, keys: Iterable[int]) -> None:
        """Add what a snapshot shows no longer."""
        if len(self._newer) >= self._most:
            self.turn()
        self._newer.update(keys)

    def turn(self) -> None:
        """Forget what was there at the last turn."""
        self._older, self._newer = self._newer, set()

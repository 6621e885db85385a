"""Bytes of transactions that were heard without the word that they entered the mempool."""

from __future__ import annotations


class HalfHeard:
    """Keeps what is heard in a period, and what was in the one before it; a period ends when something comes after it.

    The word comes right behind the bytes. The bytes of each block come as well, and nobody says of those that they
    entered anything: kept for longer, they would become most of what a detector holds.

    Args:
        seconds: How long a period is, at least; what gets its word later than that may not be there any more.
        most: That are kept.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most_newer = max(1, most // 2)
        self._began_at = 0.0
        self._newer: dict[str, bytes] = {}
        self._older: dict[str, bytes] = {}

    def __contains__(self, txid: str) -> bool:
        """Return whether the bytes of `txid` are kept."""
        return txid in self._newer or txid in self._older

    def add(self, txid: str, raw: bytes, at_seconds: float) -> None:
        """Keep the bytes of `txid`; times never go back."""
        if at_seconds - self._began_at >= self._seconds or len(self._newer) >= self._most_newer:
            self._older, self._newer, self._began_at = self._newer, {}, at_seconds
        self._newer[txid] = raw

    def pop(self, txid: str) -> bytes | None:
        """Keep `txid` no longer, and return its bytes, if they were there."""
        older = self._older.pop(txid, None)
        return self._newer.pop(txid, older)

"""Bytes of transactions of which it is not known whether they entered the mempool."""

from __future__ import annotations


class Unconfirmed:
    """Keeps what was heard in the last period and in the one before it.

    The word that a transaction entered comes right behind its bytes. The bytes of each block come as well, and nobody
    says of those that they entered anything: kept for longer, they would be most of what a detector holds.

    Args:
        seconds: How long a period is; word that is not there by then was lost, and a snapshot shows what it was about.
        most: That are kept.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most_newer = max(1, most // 2)
        self._turned_at = 0.0
        self._newer: dict[str, bytes] = {}
        self._older: dict[str, bytes] = {}

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._newer) + len(self._older)

    def __contains__(self, txid: str) -> bool:
        """Return whether the bytes of `txid` are kept."""
        return txid in self._newer or txid in self._older

    def add(self, txid: str, raw: bytes, now_seconds: float) -> None:
        """Keep the bytes of `txid`; times never go back."""
        if now_seconds - self._turned_at >= self._seconds or len(self._newer) >= self._most_newer:
            self._older, self._newer, self._turned_at = self._newer, {}, now_seconds
        self._newer[txid] = raw

    def pop(self, txid: str) -> bytes | None:
        """Keep `txid` no longer, and return its bytes, if they were there."""
        older = self._older.pop(txid, None)
        return self._newer.pop(txid, older)

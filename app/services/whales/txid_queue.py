"""Transactions that wait to be asked for: hundreds of thousands, at 32 bytes each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_BYTES = 32
# Taking from the front moves the rest, so it is done when there is something to gain.
_TIDY_BYTES = 1 << 20


class TxidQueue:
    """txids of 32 bytes, first in, first out."""

    def __init__(self) -> None:
        self._packed = bytearray()
        self._start = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return (len(self._packed) - self._start) // _BYTES

    def __iter__(self) -> Iterator[bytes]:
        """Yield each from the front; nothing may be dropped meanwhile."""
        for at in range(self._start, len(self._packed), _BYTES):
            yield bytes(self._packed[at : at + _BYTES])

    def append(self, txid: bytes) -> None:
        """Add one at the end."""
        self._packed += txid

    def extend(self, txids: Iterable[bytes]) -> None:
        """Add some at the end."""
        self._packed += b"".join(txids)

    def first(self, most: int) -> Sequence[bytes]:
        """Return up to `most` from the front, which stay."""
        packed = bytes(self._packed[self._start : self._start + most * _BYTES])
        return [packed[at : at + _BYTES] for at in range(0, len(packed), _BYTES)]

    def drop(self, count: int) -> None:
        """Take `count` away from the front."""
        self._start = min(len(self._packed), self._start + count * _BYTES)
        if self._start >= _TIDY_BYTES or self._start == len(self._packed):
            del self._packed[: self._start]
            self._start = 0

    def clear(self) -> None:
        """Take all away."""
        self._packed.clear()
        self._start = 0

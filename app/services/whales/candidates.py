"""Transactions that may be whales, from the moment their bytes were heard until they have been looked at."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import NamedTuple

_MOST_TRIES = 3


class Candidate(NamedTuple):
    """A transaction that was in the mempool, and is to be looked at.

    Attributes:
        raw: Its bytes.
        source: By what it was found: stream, snapshot or polling.
    """

    raw: bytes
    source: str


class Candidates:
    """Bytes come before the word that they entered the mempool, or after it; both have to be there.

    Args:
        most: That may wait for the other half: the bytes of each block come along as well.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._unconfirmed: OrderedDict[str, bytes] = OrderedDict()
        self._ready: dict[str, Candidate] = {}
        # Those that had left the mempool when they were looked at, until a block shows them.
        self._vanished: dict[str, tuple[Candidate, float]] = {}
        self._tries: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many are ready to be looked at."""
        return len(self._ready)

    def heard(self, txid: str, raw: bytes) -> None:
        """Keep the bytes of a transaction of which it is not known whether it entered the mempool."""
        self._unconfirmed[txid] = raw
        if len(self._unconfirmed) > self._most:
            self._unconfirmed.popitem(last=False)

    def entered(self, txid: str) -> None:
        """It entered the mempool; most are not held, since nothing about them is worth a look."""
        if self._unconfirmed and (raw := self._unconfirmed.pop(txid, None)) is not None:
            self.add(txid, raw, "stream")

    def add(self, txid: str, raw: bytes, source: str) -> None:
        """Add one that is in the mempool."""
        self._ready.setdefault(txid, Candidate(raw, source))

    def ready(self, most: int) -> dict[str, Candidate]:
        """Return up to `most` that are to be looked at, oldest first; they stay until they are `done`."""
        return dict(list(self._ready.items())[:most])

    def done(self, txid: str) -> None:
        """It has been looked at."""
        self._ready.pop(txid, None)
        self._vanished.pop(txid, None)
        self._tries.pop(txid, None)

    def may_retry(self, txid: str) -> bool:
        """Return whether it should be looked at once more, since not all could be known; a few times."""
        self._tries[txid] += 1
        return self._tries[txid] <= _MOST_TRIES

    def vanish(self, txid: str, until_seconds: float) -> None:
        """It is not in the mempool any longer: a block will show it, or what left the mempool is looked at then."""
        candidate = self._ready.pop(txid, None)
        if candidate is not None:
            self._vanished.setdefault(txid, (candidate, until_seconds))

    def vanished(self, txid: str) -> Candidate | None:
        """Return one that was in the mempool, has left it, and was not looked at."""
        found = self._vanished.get(txid)
        return found[0] if found else None

    def not_shown(self, now_seconds: float) -> dict[str, Candidate]:
        """Return those that no block has shown in time."""
        return {txid: candidate for txid, (candidate, until) in self._vanished.items() if until <= now_seconds}

    def was_in_mempool(self, txid: str) -> Candidate | None:
        """Return one that is known to have been in the mempool, whether it has left or not."""
        return self._ready.get(txid) or self.vanished(txid)

    def mined(self, txid: str) -> None:
        """A block holds it: what it is has been settled."""
        self._unconfirmed.pop(txid, None)
        self.done(txid)

"""Transactions that may be whales, from the moment their bytes were heard until they have been looked at."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from app.services.whales.half_heard import HalfHeard

_MOST_TRIES = 3
# Of listening, within which the word about some bytes comes; of one that was lost a snapshot takes the place.
_WORD_SECONDS = 20.0


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
        most: That may wait for the other half; that may be ready; and that may have vanished.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._half_heard = HalfHeard(_WORD_SECONDS, most)
        self._ready: dict[str, Candidate] = {}
        # Those that had left the mempool when they were looked at, until a block shows them.
        self._vanished: dict[str, tuple[Candidate, float]] = {}
        # Those that had left it when their bytes were asked for, of which only a block can tell; by their hashes, since
        # after a node has lost its mempool these are thousands.
        self._unread: dict[int, None] = {}
        # Those of the ready ones that have left it for another reason than a block, and until when they may wait.
        self._left: dict[str, float] = {}
        self._tries: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many are ready to be looked at."""
        return len(self._ready)

    @property
    def is_full(self) -> bool:
        """Whether no more can be added before some have been looked at."""
        return len(self._ready) >= self._most

    def heard(self, txid: str, raw: bytes, listened_seconds: float) -> None:
        """Keep the bytes of a transaction of which it is not known whether it entered the mempool."""
        self._half_heard.add(txid, raw, listened_seconds)

    def is_heard(self, txid: str) -> bool:
        """Return whether the bytes are there of one of which it is not known whether it entered the mempool."""
        return txid in self._half_heard

    def entered(self, txid: str) -> bool:
        """It entered the mempool; most are not held, since nothing about them is worth a look.

        Return False if there was no room for it, so that it has to be asked for later.
        """
        if (raw := self._half_heard.pop(txid)) is not None:
            return self.add(txid, raw, "stream")
        return True

    def add(self, txid: str, raw: bytes, source: str) -> bool:
        """Add one that is in the mempool; return False if there was no room for it."""
        if self.is_full and txid not in self._ready:
            return False
        self._ready.setdefault(txid, Candidate(raw, source))
        self._left.pop(txid, None)
        return True

    def left(self, txid: str, until_seconds: float) -> None:
        """It left the mempool, and not for a block: none is waited for longer, lest a restart meanwhile forget it."""
        if txid in self._ready:
            self._left[txid] = until_seconds
        elif txid in self._vanished:
            candidate, shown_until = self._vanished[txid]
            self._vanished[txid] = (candidate, min(shown_until, until_seconds))

    def unread(self, txid: str) -> None:
        """It was in the mempool, and left it before its bytes could be had."""
        self._unread[hash(txid)] = None
        if len(self._unread) > self._most:
            del self._unread[next(iter(self._unread))]

    def ready(self, most: int) -> dict[str, Candidate]:
        """Return up to `most` that are to be looked at, oldest first; they stay until they are `done`."""
        return dict(list(self._ready.items())[:most])

    def done(self, txid: str) -> None:
        """It has been looked at."""
        self._ready.pop(txid, None)
        self._left.pop(txid, None)
        self._vanished.pop(txid, None)
        self._tries.pop(txid, None)

    def may_retry(self, txid: str) -> bool:
        """Return whether it should be looked at once more, since not all could be known; a few times."""
        self._tries[txid] += 1
        return self._tries[txid] <= _MOST_TRIES

    def vanish(self, txid: str, until_seconds: float) -> None:
        """It is not in the mempool any longer: a block will show it, or what left the mempool is looked at then.

        Of one too many only a block can tell, and it is the one that has been gone for longest.
        """
        candidate = self._ready.pop(txid, None)
        if candidate is not None:
            until_seconds = min(until_seconds, self._left.pop(txid, until_seconds))
            self._vanished.setdefault(txid, (candidate, until_seconds))
        if len(self._vanished) > self._most:
            oldest = next(iter(self._vanished))
            self.done(oldest)
            self.unread(oldest)

    def not_shown(self, now_seconds: float) -> dict[str, Candidate]:
        """Return those that no block has shown in time."""
        return {txid: candidate for txid, (candidate, until) in self._vanished.items() if until <= now_seconds}

    def source_of(self, txid: str) -> str | None:
        """Return by what one was found that was in the mempool, whether it has left or not; None if it was not."""
        candidate = self._ready.get(txid) or self._vanished.get(txid, (None,))[0]
        if candidate is not None:
            return candidate.source
        return "snapshot" if hash(txid) in self._unread else None

    def mined(self, txid: str) -> None:
        """A block holds it: what it is has been settled."""
        self._half_heard.pop(txid)
        self._unread.pop(hash(txid), None)
        self.done(txid)

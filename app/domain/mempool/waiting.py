"""The table of all that waits."""

from __future__ import annotations

from typing import NamedTuple

from app.domain.mempool.bands import BANDS, band_of
from app.domain.mempool.histogram import Ahead, FeeHistogram
from app.domain.mempool.table import MULTIPLIER, Table

# The band of a transaction whose fee is not known yet.
_UNPRICED = BANDS
MOST = 1_000_000


class Priced(NamedTuple):
    """What a waiting transaction pays, by band, and its virtual size."""

    band: int
    vsize_vb: int


class Waiting:
    """Band and size of every waiting transaction, by the first 8 bytes of its txid as an integer.

    No txid begins with 8 zero bytes. Two that begin with the same 8 bytes are taken for one: among 300,000 that happens
    once in 400 million mempools.

    Args:
        most: How many are kept. Those that come when it is full are only counted, in `untracked`: they are not found,
            and remain counted until the next sweep begins.
        multiplier: As of Table.

    Attributes:
        histogram: What waits at each feerate, of those with a known fee.
        untracked: See `most`.
    """

    def __init__(self, most: int = MOST, multiplier: int = MULTIPLIER) -> None:
        self.histogram = FeeHistogram()
        self.untracked = 0
        self._most = most
        self._table = Table(multiplier)
        # The mark of those that were seen; it changes sides with every sweep, so nothing has to be cleared.
        self._seen = True
        self._sweeping = False

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._table)

    def __contains__(self, key: int) -> bool:
        """Return whether a transaction is kept."""
        return self._table.find(key) >= 0

    @property
    def unpriced(self) -> int:
        """How many wait whose fee is not known yet."""
        return len(self._table) - self.histogram.transactions

    @property
    def bytes_used(self) -> int:
        """What the table takes, without the histogram."""
        return self._table.bytes_used

    def find(self, key: int) -> Priced | None:
        """Return what a transaction pays; None if it does not wait, or its fee is not known yet."""
        slot = self._table.find(key)
        band, vsize_vb = self._table.read(slot) if slot >= 0 else (_UNPRICED, 0)
        return None if band == _UNPRICED else Priced(band, vsize_vb)

    def ahead(self, feerate_sat_vb: float) -> Ahead:
        """Return the virtual size of what waits at a higher feerate, and of what waits at the same."""
        return self.histogram.ahead(band_of(feerate_sat_vb))

    def add(self, key: int) -> None:
        """Remember that a transaction waits; its fee is not known yet. One that is known already stays as it is."""
        if self._table.find(key) < 0:
            self._put(key, _UNPRICED, 0)

    def price(self, key: int, feerate_sat_vb: float, vsize_vb: int) -> None:
        """Set what a transaction pays, whether it was known to wait or not."""
        band = band_of(feerate_sat_vb)
        slot = self._table.find(key)
        if slot < 0:
            self._put(key, band, vsize_vb)
        else:
            self._move(slot, band, vsize_vb)

    def lift(self, key: int, feerate_sat_vb: float) -> None:
        """Let a transaction pay more, since a child pays for it; never less. Does nothing while its fee is unknown."""
        before = self.find(key)
        if before is not None and before.band < (band := band_of(feerate_sat_vb)):
            self._move(self._table.find(key), band, before.vsize_vb)

    def remove(self, key: int) -> bool:
        """Forget a transaction; return whether it was known."""
        slot = self._table.find(key)
        if slot < 0:
            return False
        self._leave(slot)
        self._table.remove(slot)
        return True

    def begin_sweep(self, expected: int = 0) -> None:
        """Begin to compare with what the node says waits, about `expected` transactions.

        A sweep that was begun before and never ended is forgotten.
        """
        if self._sweeping:
            for key in self._table.keys_marked(mark=not self._seen):
                self._table.mark(self._table.find(key), mark=self._seen)
        self._seen, self._sweeping, self.untracked = not self._seen, True, 0
        self._table.reserve(min(expected, self._most))

    def mark(self, key: int) -> bool:
        """Note that a transaction still waits; return False, and do nothing, if it is not known."""
        slot = self._table.find(key)
        if slot < 0:
            return False
        self._table.mark(slot, mark=self._seen)
        return True

    def sweep(self) -> list[int]:
        """Forget all that was neither marked nor added since the sweep began; return their keys, in no order."""
        if not self._sweeping:
            return []
        self._sweeping = False
        gone = self._table.keys_marked(mark=not self._seen)
        for key in gone:
            self.remove(key)
        return gone

    def _put(self, key: int, band: int, vsize_vb: int) -> None:
        if len(self._table) >= self._most:
            # It is priced after it was added, and counted once.
            self.untracked += band == _UNPRICED
            return
        self._table.put(key, band, vsize_vb, mark=self._seen)
        if band != _UNPRICED:
            self.histogram.add(band, vsize_vb)

    def _move(self, slot: int, band: int, vsize_vb: int) -> None:
        self._leave(slot)
        self._table.write(slot, band, vsize_vb)
        self.histogram.add(band, vsize_vb)

    def _leave(self, slot: int) -> None:
        band, vsize_vb = self._table.read(slot)
        if band != _UNPRICED:
            self.histogram.remove(band, vsize_vb)

"""How much waits at each feerate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.mempool.bands import BANDS, feerate_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# Sums of so many bands are kept as well; about the square root of their number makes asking cheapest.
_GROUP = 64


class FeeBand(NamedTuple):
    """What waits at one feerate; `feerate_sat_vb` is the middle of the band."""

    feerate_sat_vb: float
    vsize_vb: int
    transactions: int


class Ahead(NamedTuple):
    """What waits at a strictly higher feerate, and at the same."""

    higher_vb: int
    same_vb: int


class FeeHistogram:
    """Virtual size and number of the waiting transactions in each band, kept up to date one by one."""

    def __init__(self) -> None:
        self.total_vb = 0
        self.transactions = 0
        self._vsize_vb = [0] * BANDS
        self._transactions = [0] * BANDS
        self._group_vb = [0] * (BANDS // _GROUP + 1)

    def add(self, band: int, vsize_vb: int) -> None:
        """Count a transaction."""
        self.total_vb += vsize_vb
        self.transactions += 1
        self._vsize_vb[band] += vsize_vb
        self._transactions[band] += 1
        self._group_vb[band // _GROUP] += vsize_vb

    def remove(self, band: int, vsize_vb: int) -> None:
        """Count no longer a transaction that was added to that band with that size."""
        self.total_vb -= vsize_vb
        self.transactions -= 1
        self._vsize_vb[band] -= vsize_vb
        self._transactions[band] -= 1
        self._group_vb[band // _GROUP] -= vsize_vb

    def ahead(self, band: int) -> Ahead:
        """Return what is in higher bands, and in this one."""
        group = band // _GROUP
        higher = sum(self._vsize_vb[band + 1 : (group + 1) * _GROUP]) + sum(self._group_vb[group + 1 :])
        return Ahead(higher, self._vsize_vb[band])

    def bands(self) -> Iterator[FeeBand]:
        """Yield the bands in which something waits, the highest feerate first."""
        for band in range(BANDS - 1, -1, -1):
            if self._transactions[band]:
                yield FeeBand(feerate_of(band), self._vsize_vb[band], self._transactions[band])

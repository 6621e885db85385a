"""How much comes in, at which feerates, how lumpy and how unsteady."""

from __future__ import annotations

from typing import NamedTuple

from app.domain.mempool.bands import BANDS
from app.domain.mempool.unsteadiness import Unsteadiness

# Coarse bands are 16 fine ones, 8 per cent wide.
_FINE_BANDS = 16
# With every block what was seen before counts a tenth less: half of it is forgotten after seven blocks, whatever their
# pace is.
_KEPT_A_BLOCK = 0.9
_USUAL_LUMP_VB = 500.0


class Inflow(NamedTuple):
    """What comes in above a feerate.

    Attributes:
        rate_vb_second: Virtual size in a second.
        unsteadiness: Squared relative standard deviation of that rate, from how it changes and how little was seen.
    """

    rate_vb_second: float
    unsteadiness: float


class Arrivals:
    """Decaying sums of what entered the mempool less what left it other than by a block.

    Args:
        since: Unix time from which on everything is told.
    """

    def __init__(self, since: float) -> None:
        self.since = since
        self._period_from = since
        self._seconds = 0.0
        self._vsize_vb = [0.0] * (BANDS // _FINE_BANDS + 1)
        self._total_vb = 0.0
        self._squares_vb = 0.0
        self._period_vb = 0.0
        self._unsteadiness = Unsteadiness()

    @property
    def lump_vb(self) -> float:
        """How much comes at once: the mean square of sizes by their mean."""
        return self._squares_vb / self._total_vb if self._squares_vb > 0 else _USUAL_LUMP_VB

    def came(self, band: int, vsize_vb: int) -> None:
        """Count what entered the mempool."""
        self._vsize_vb[band // _FINE_BANDS] += vsize_vb
        self._total_vb += vsize_vb
        self._squares_vb += vsize_vb * vsize_vb
        self._period_vb += vsize_vb

    def left(self, band: int, vsize_vb: int) -> None:
        """Count what left it without being mined: what replaces it comes in its place, not in addition."""
        self._vsize_vb[band // _FINE_BANDS] -= vsize_vb

    def block_came(self, at: float) -> None:
        """End a period, and let what was seen count a little less."""
        seconds = at - self._period_from
        if seconds > 0:
            expected_vb = seconds * self.total_rate_vb_second(at)
            self._unsteadiness.period(self._period_vb, expected_vb, self.lump_vb)
        self._seconds = (self._seconds + max(0.0, seconds)) * _KEPT_A_BLOCK
        self._vsize_vb = [each * _KEPT_A_BLOCK for each in self._vsize_vb]
        self._total_vb *= _KEPT_A_BLOCK
        self._squares_vb *= _KEPT_A_BLOCK
        self._period_from, self._period_vb = max(at, self._period_from), 0.0

    def above(self, band: int, now: float, guess_vb: float, guess_seconds: float) -> Inflow:
        """Return what comes in above a band.

        Args:
            band: Of it, half counts.
            now: Unix time.
            guess_vb: What would be expected in `guess_seconds` by somebody who has only just begun to look.
            guess_seconds: See there; the guess counts as much as half that time of looking.
        """
        coarse, part = divmod(band, _FINE_BANDS)
        share_above = 1 - (part + 0.5) / _FINE_BANDS
        seen_vb = max(0.0, sum(self._vsize_vb[coarse + 1 :]) + share_above * self._vsize_vb[coarse])
        seconds = self._seconds + max(0.0, now - self._period_from) + guess_seconds / 2
        amount_vb = seen_vb + guess_vb / 2
        lumps_seen = max(1.0, amount_vb / self.lump_vb)
        return Inflow(amount_vb / seconds, self._unsteadiness.squared + 1 / lumps_seen)

    def total_rate_vb_second(self, now: float) -> float:
        """Return what enters in a second, at any feerate; 0 as long as nothing was seen."""
        seconds = self._seconds + max(0.0, now - self._period_from)
        return self._total_vb / seconds if seconds > 0 else 0.0

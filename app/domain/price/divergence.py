"""When estimate and exchange rate are so far apart that somebody should look."""

from __future__ import annotations

from dataclasses import dataclass

# A difference that hovers at the threshold is one divergence, not one every 10 minutes.
_ENDS_AT_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class DivergenceRule:
    """Divergence begins at `threshold_percent`, above or below the exchange rate, and ends below 0.8 times that."""

    threshold_percent: float

    def holds(self, difference_percent: float, *, before: bool) -> bool:
        """Return whether the prices diverge now, given whether they did `before`.

        From far above to far below is the same divergence: nobody saw the prices agree.
        """
        bound_percent = self.threshold_percent * (_ENDS_AT_SHARE if before else 1)
        return abs(difference_percent) >= bound_percent

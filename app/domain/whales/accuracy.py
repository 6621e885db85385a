"""When predictions have become so bad that somebody should know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Accuracy = Literal["warning", "critical", "recovered"]

# An accuracy that hovers at a threshold is one alarm, not one an hour.
_MARGIN = 0.02


@dataclass(frozen=True, slots=True)
class AccuracyRule:
    """Accuracy is low below `warning` and very low below `critical`, and better again at 0.02 above either."""

    warning: float
    critical: float

    def state(self, accuracy: float, before: Accuracy) -> Accuracy:
        """Return how the accuracy is now, given how it was `before`."""
        if accuracy < self._bound(self.critical, was_below=before == "critical"):
            return "critical"
        if accuracy < self._bound(self.warning, was_below=before != "recovered"):
            return "warning"
        return "recovered"

    def threshold(self, state: Accuracy) -> float:
        """Return the threshold that `state` speaks of."""
        return self.critical if state == "critical" else self.warning

    def _bound(self, threshold: float, *, was_below: bool) -> float:
        return min(1.0, threshold + _MARGIN) if was_below else threshold

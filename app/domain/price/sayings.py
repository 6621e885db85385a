"""What payments say about the price: each that is near a round number of dollars at a price speaks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.round_usd import payment_density

if TYPE_CHECKING:
    from numpy.typing import NDArray

# How many prominences are told apart.
_CLASSES = 10


class Prominences:
    """Classes of how much denser payments would be around a round amount than they are, if all were of that amount."""

    def __init__(self, prominence: NDArray[np.float64]) -> None:
        """Divide into classes.

        Args:
            prominence: Above 0, at least one; any shape.
        """
        logs = np.log(prominence)
        width = max(float(np.ptp(logs)) / _CLASSES, 1e-9)
        self.classes = np.minimum(((logs - logs.min()) / width).astype(np.int64), _CLASSES - 1)
        self.values = np.exp(logs.min() + (np.arange(_CLASSES) + 0.5) * width)


class Sayings:
    """Counts of the prices that payments imply: an array of classes of prominence, places on a grid, and stretches.

    Attributes:
        counts: To be counted into. The first and the last `reach` places lie beside the grid.
    """

    def __init__(self, prominences: Prominences, n_places: int, reach: int, n_stretches: int) -> None:
        """Begin with none.

        Args:
            prominences: The classes.
            n_places: Places on the grid.
            reach: How many places away an implied price still speaks for a place.
            n_stretches: Stretches of time.
        """
        self.counts = np.zeros((_CLASSES, n_places + 2 * reach, n_stretches), np.float32)
        self._prominences, self._n_places, self._reach = prominences.values, n_places, reach

    def log_likelihood(self, share: float, step: float, blur: float) -> NDArray[np.float32]:
        """Return, for each stretch (row) and place, the logarithm by which the payments are likelier with round ones.

        It lacks what has to be taken off for the round payments that are expected: `share` times their number.

        Args:
            share: Of the payments that are of a round amount.
            step: Distance of two places, of the logarithm of the price.
            blur: Standard deviation by which the price moves within a stretch, of the logarithm.
        """
        density = payment_density(step * np.arange(-self._reach, self._reach + 1, dtype=np.float64), blur)
        gains = np.log1p(share * np.multiply.outer(density, self._prominences)).astype(np.float32)
        n_classes, width, n_stretches = self.counts.shape
        by_offset = (gains @ self.counts.reshape(n_classes, -1)).reshape(-1, width, n_stretches)
        said = np.zeros((self._n_places, n_stretches), np.float32)
        for offset, each in enumerate(by_offset):
            said += each[offset : offset + self._n_places]
        return np.ascontiguousarray(said.T)

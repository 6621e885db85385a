"""Random bytes, cut from large draws."""

from __future__ import annotations

import numpy as np

_DRAW_BYTES = 1 << 20


class RandomBytes:
    """Gives bytes by the slice; what is left of a draw that is too short for the next slice is dropped."""

    def __init__(self, random: np.random.RandomState) -> None:
        self._random = random
        self._drawn = b""
        self._at = 0

    def __call__(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        start = self._at
        end = start + size
        if end > len(self._drawn):
            self._drawn = self._random.bytes(max(_DRAW_BYTES, size))
            start, end = 0, size
        self._at = end
        return self._drawn[start:end]

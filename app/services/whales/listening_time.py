"""Time in which something could be heard."""

from __future__ import annotations

import math

# However long a turn took: what came meanwhile is still to be heard.
_MOST_A_TURN_SECONDS = 0.5


class ListeningTime:
    """Goes on with each turn of listening, by no more than that turn can have been about."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._noted_at = -math.inf

    def note(self, now_seconds: float) -> None:
        """A turn of listening has come to its end, by the monotonic clock."""
        self.seconds += min(now_seconds - self._noted_at, _MOST_A_TURN_SECONDS)
        self._noted_at = now_seconds

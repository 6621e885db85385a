"""The scores that are kept, for whoever looks at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.services.whales.scores import Period, WindowScore


class KeptScores(Protocol):
    """What `app.services.whales.scores.ScoreStore` has kept."""

    def newest(self, period: Period, count: int) -> Sequence[WindowScore]:
        """Return the scores of the newest `count` windows, the newest first; may raise StorageError."""

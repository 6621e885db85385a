"""How urgent somebody is: the share of the mempool that he outbids."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.mempool.histogram import Ahead

_LEVELS = ((0.90, "critical"), (0.70, "high"), (0.40, "medium"))


def urgency_score(ahead: Ahead, total_vb: int) -> float:
    """Return the share of all that waits, by virtual size, at a lower feerate, with half of that at the same.

    Args:
        ahead: What waits at a higher feerate and at the same.
        total_vb: All that waits. 0: anybody is first, which is 1.0.
    """
    if total_vb <= 0:
        return 1.0
    lower_vb = total_vb - ahead.higher_vb - ahead.same_vb
    return (lower_vb + ahead.same_vb / 2) / total_vb


def urgency_level(score: float) -> str:
    """Return critical, high, medium or low."""
    return next((level for least, level in _LEVELS if score >= least), "low")

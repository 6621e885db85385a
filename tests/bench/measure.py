"""One figure of ours beside the same figure of a peer, taken in turns in one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

HEADER = f"{'name':<34} {'ours':>10} {'peer':>10} {'ratio':>8}  spread"


@dataclass(frozen=True)
class Measure:
    """What was measured, round by round.

    Attributes:
        name: What, and its unit as the last word; without blanks.
        ours: Ours of each round.
        peer: The peer's of the same rounds.
        more_is_better: Whether this is a rate, and not a time or a size.
    """

    name: str
    ours: Sequence[float]
    peer: Sequence[float]
    more_is_better: bool = False

    @property
    def ratios(self) -> list[float]:
        """How many times ours is better, of each round."""
        pairs = zip(self.ours, self.peer, strict=True)
        return [ours / peer if self.more_is_better else peer / ours for ours, peer in pairs]

    def line(self) -> str:
        """Return `name ours peer ratio spread`: medians, and the middle half of the ratios."""
        low, _, high = quantiles(self.ratios, n=4, method="inclusive") if len(self.ratios) > 1 else self.ratios * 3
        return (
            f"{self.name:<34} {median(self.ours):>10.4g} {median(self.peer):>10.4g} {median(self.ratios):>7.4g}x"
            f"  {low:.4g}..{high:.4g}"
        )

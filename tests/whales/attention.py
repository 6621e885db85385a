"""When the detector could see the mempool, and when bitcoind said that a whale was in there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import pairwise

# After a start of either, until the detector must have seen what the mempool holds.
_BEGINNING_SECONDS = 5.0
# For which a whale has to be there, since what happens within a second of a kill may be lost with it; and while the
# mempool is polled only, which is at most every five seconds.
_LEAST_SECONDS, _LEAST_POLLED_SECONDS = 1.0, 6.0


@dataclass(frozen=True)
class Span:
    """A time in which the detector was at work, and for how long a whale had to be in the mempool to be seen."""

    since: float
    until: float
    least_seconds: float


@dataclass
class Attention:
    """Keeps what is said of the parts, by the monotonic clock, and what was seen in the mempool meanwhile.

    Attributes:
        changes: Times at which something happened to bitcoind, to the detector, or to what is between them, and for
            how long a whale has to be in the mempool from then on to be seen; infinitely long while either is away.
    """

    changes: list[tuple[float, float]] = field(default_factory=list)
    _seen_at: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def both_at_work(self, at_seconds: float, *, is_polling: bool = False) -> None:
        """Bitcoind and the detector run from now on, for all that we know."""
        self.changes.append((at_seconds, _LEAST_POLLED_SECONDS if is_polling else _LEAST_SECONDS))

    def interrupted(self, at_seconds: float) -> None:
        """One of them is away from now on."""
        self.changes.append((at_seconds, float("inf")))

    def saw(self, txids: Iterable[str], at_seconds: float) -> None:
        """Bitcoind's mempool holds these now."""
        for txid in txids:
            self._seen_at[txid].append(at_seconds)

    def spans(self, ended_at_seconds: float) -> list[Span]:
        """Return the times in which whales must have been seen."""
        ends = [*self.changes, (ended_at_seconds, float("inf"))]
        return [
            Span(since + _BEGINNING_SECONDS, until, least_seconds)
            for (since, least_seconds), (until, _) in pairwise(ends)
        ]

    def must_have_been_seen(self, txids: Collection[str], ended_at_seconds: float) -> set[str]:
        """Return those of `txids` that were in the mempool for long enough while the detector was at work."""
        spans = self.spans(ended_at_seconds)
        return {txid for txid in txids if any(_is_seen(self._seen_at.get(txid, ()), span) for span in spans)}


def _is_seen(times: Iterable[float], span: Span) -> bool:
    within = [each for each in times if span.since <= each <= span.until]
    return bool(within) and max(within) - min(within) >= span.least_seconds

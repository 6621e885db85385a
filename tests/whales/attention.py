"""When the detector could see the mempool, and when bitcoind said that a whale was in there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import pairwise

# Before a kill, in which what happens may be lost with it.
_END_SECONDS = 2.0
# For which a whale has to be there: a moment while the stream is heard, but longer while the mempool is polled.
_LEAST_SECONDS, _LEAST_POLLED_SECONDS = 0.0, 6.0


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
        changes: Times at which the detector began or ended to see the mempool, and for how long a whale has to be in
            there from then on to be seen; infinitely long while it cannot be.
    """

    changes: list[tuple[float, float]] = field(default_factory=list)
    _seen_at: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def is_interrupted(self) -> bool:
        """Whether the detector does not see the mempool, for all that we know."""
        return not self.changes or self.changes[-1][1] == float("inf")

    def begins(self, at_seconds: float, *, is_polling: bool = False) -> None:
        """The detector says that it sees the mempool."""
        self.changes.append((at_seconds, _LEAST_POLLED_SECONDS if is_polling else _LEAST_SECONDS))

    def ends(self, at_seconds: float) -> None:
        """It is ended now, or what it needs is."""
        self.changes.append((at_seconds, float("inf")))

    def saw(self, txids: Iterable[str], at_seconds: float) -> None:
        """Bitcoind's mempool holds these now."""
        for txid in txids:
            self._seen_at[txid].append(at_seconds)

    def spans(self, ended_at_seconds: float) -> list[Span]:
        """Return the times in which whales must have been seen."""
        ends = [*self.changes, (ended_at_seconds, float("inf"))]
        return [
            Span(since, until - _END_SECONDS, least_seconds) for (since, least_seconds), (until, _) in pairwise(ends)
        ]

    def must_have_been_seen(self, txids: Collection[str], ended_at_seconds: float) -> set[str]:
        """Return those of `txids` that were in the mempool for long enough while the detector was at work."""
        spans = self.spans(ended_at_seconds)
        return {txid for txid in txids if any(_is_seen(self._seen_at.get(txid, ()), span) for span in spans)}


def _is_seen(times: Iterable[float], span: Span) -> bool:
    within = [each for each in times if span.since <= each <= span.until]
    return bool(within) and max(within) - min(within) >= span.least_seconds

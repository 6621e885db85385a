"""What electrs and mempool see waiting, beside what the detector sees: a remark, and a doubt when all of them differ.

They are no source of anything: that one of them is away, or does not say what it sees, changes nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from app.domain.mempool.sight import contradicts

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.mempool.sight import MempoolSight

# For both questions to one of them, since a check has 2 seconds: the second must not cost the answer to the first.
_CHECK_SECONDS = 1.6
_LEAST_SECONDS = 0.1
# Health asks every 5 seconds; what is older is not of one who answers.
_FRESH_SECONDS = 15.0
# By then a block is over, and a start.
_LASTING_SECONDS = 60.0
_VB_PER_MVB = 1_000_000


class Upstream(Protocol):
    """Something beside bitcoind that the node runs, and that sees the same mempool."""

    def probe(self) -> str:
        """Return what it says about itself.

        Raises:
            DegradedError: It answers, but is not what we need.
            SkippedError: The operator has none.
            Exception: It does not answer.
        """

    def waiting(self, within_seconds: float) -> MempoolSight | None:
        """Return what it sees waiting; None when it does not say, or not in time."""


@dataclass(frozen=True, slots=True)
class _Comparison:
    theirs: MempoolSight
    ours: MempoolSight
    at_seconds: float
    contrary_since: float | None


class CrossCheck:
    """Compares what others see with `ours`, which is None while that is not known."""

    def __init__(self, ours: Callable[[], MempoolSight | None], seconds: Callable[[], float] = time.monotonic) -> None:
        self._ours = ours
        self._seconds = seconds
        self._comparisons: dict[str, _Comparison] = {}

    def check(self, name: str, upstream: Upstream) -> str:
        """Return what `upstream` says about itself, and how what it sees compares; raise what its `probe` raises."""
        until = self._seconds() + _CHECK_SECONDS
        theirs = ours = None
        try:
            about = upstream.probe()
            left_seconds = until - self._seconds()
            theirs = upstream.waiting(left_seconds) if left_seconds >= _LEAST_SECONDS else None
            ours = self._ours()
        finally:
            self._keep(name, theirs, ours)
        return f"{about}, {_remark(theirs, ours)}"

    def doubt(self) -> str:
        """Return what everybody who answers has contradicted for long, and what to do; empty when they have not."""
        now = self._seconds()
        fresh = {name: each for name, each in sorted(dict(self._comparisons).items()) if _is_fresh(each, now)}
        since = [now if each.contrary_since is None else each.contrary_since for each in fresh.values()]
        if not since or now - max(since) <= _LASTING_SECONDS:
            return ""
        ours = max(fresh.values(), key=lambda each: each.at_seconds).ours
        others = " and ".join(f"{name} sees {_amount(each.theirs)}" for name, each in fresh.items())
        return f"{others}, the detector {_amount(ours)}; if that is of the same bitcoind, restart utxoracle-detector"

    def _keep(self, name: str, theirs: MempoolSight | None, ours: MempoolSight | None) -> None:
        before, now = self._comparisons.get(name), self._seconds()
        if theirs is None or ours is None:
            self._comparisons.pop(name, None)
            return
        since = before.contrary_since if before is not None and _is_fresh(before, now) else None
        contrary_since = (now if since is None else since) if contradicts(theirs, ours) else None
        self._comparisons[name] = _Comparison(theirs, ours, now, contrary_since)


def _is_fresh(comparison: _Comparison, now: float) -> bool:
    return now - comparison.at_seconds <= _FRESH_SECONDS


def _remark(theirs: MempoolSight | None, ours: MempoolSight | None) -> str:
    if theirs is None:
        return "which does not say what waits"
    seen = f"sees {_waiting(theirs)}"
    return f"{seen}, the detector {ours.transaction_count:,}" if ours is not None else seen


def _amount(sight: MempoolSight) -> str:
    return f"{_waiting(sight)} of {sight.vsize_vb / _VB_PER_MVB:,.1f} MvB"


def _waiting(sight: MempoolSight) -> str:
    return f"{sight.transaction_count:,} waiting transaction{'' if sight.transaction_count == 1 else 's'}"

"""How much waits in the mempool, as one of several sees it."""

from __future__ import annotations

from typing import NamedTuple

# Two who look at the mempool of one node differ by a block, and by the traffic of some seconds.
_MOST_APART_SHARE = 0.5
_MOST_APART_VB = 1_000_000


class MempoolSight(NamedTuple):
    """What waits.

    Attributes:
        transaction_count: How many transactions.
        vsize_vb: Their virtual bytes.
    """

    transaction_count: int
    vsize_vb: int


def contradicts(theirs: MempoolSight, ours: MempoolSight) -> bool:
    """Return whether `theirs` is hardly of the mempool that `ours` is of.

    Whoever sees nothing contradicts nobody: what follows a node shows nothing until it has caught up.
    """
    if not theirs.transaction_count:
        return False
    apart_vb = abs(theirs.vsize_vb - ours.vsize_vb)
    return apart_vb > _MOST_APART_VB and apart_vb > _MOST_APART_SHARE * max(theirs.vsize_vb, ours.vsize_vb)

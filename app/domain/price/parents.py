"""Whether a payment spends what was made within the window: money on its way through, which says nothing new."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.extract import NO_PARENT, BlockExtract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# A table of as many flags, one for the low bits of each txid, rules most txids out before any is searched for.
_FLAGS = 1 << 20
_LOW_BITS = np.uint64(_FLAGS - 1)


def with_parents(chain: Sequence[BlockExtract], positions: Sequence[int]) -> list[BlockExtract]:
    """Return the extracts at `positions` of `chain`, their parents searched for from its first block on.

    That is then right for good, since a block's hash decides about all blocks below it.

    Args:
        chain: Extracts of consecutive blocks, lowest first.
        positions: Which of them to search parents for, at least one, counted from 0.
    """
    children = [chain[position] for position in positions]
    spent = np.concatenate([each.spent for each in children])
    spent_at = np.repeat([each.height for each in children], [len(each.spent) for each in children])
    made_at = _youngest(chain, spent, spent_at)
    found, at = [], 0
    for each in children:
        parents = _of_each_payment(made_at[at : at + len(each.spent)], each.n_spent)
        found.append(replace(each, parents=parents, searched_from=chain[0].height))
        at += len(each.spent)
    return found


def _youngest(
    chain: Sequence[BlockExtract], spent: NDArray[np.uint64], spent_at: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each txid in `spent` the height of the youngest block below `spent_at` that holds it, or NO_PARENT."""
    txids, heights = _worth_a_search(chain, spent)
    last = np.searchsorted(txids, spent, side="right") - 1
    while True:
        same = txids[last] == spent
        not_yet_made = same & (heights[last] >= spent_at)
        if not not_yet_made.any():
            return np.where(same, heights[last], NO_PARENT)
        last[not_yet_made] -= 1


def _worth_a_search(
    chain: Sequence[BlockExtract], spent: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the txids of `chain` that may be in `spent`, sorted, and their heights; before them 0, made nowhere."""
    is_spent = np.zeros(_FLAGS, dtype=np.bool_)
    is_spent[spent & _LOW_BITS] = True
    few = [each.txids[is_spent[each.txids & _LOW_BITS]] for each in chain]
    txids = np.concatenate([np.zeros(1, dtype=np.uint64), *few])
    heights = np.repeat([NO_PARENT, *(each.height for each in chain)], [1, *(len(each) for each in few)])
    # Stable: the same txid, should there be two, in the order of the chain.
    order = np.argsort(txids, kind="stable")
    return txids[order], heights[order]


def _of_each_payment(made_at: NDArray[np.int64], n_spent: NDArray[np.uint8]) -> NDArray[np.int32]:
    if not len(n_spent):
        return np.empty(0, dtype=np.int32)
    starts = np.cumsum(n_spent, dtype=np.int64) - n_spent
    return np.maximum.reduceat(made_at, starts).astype(np.int32)

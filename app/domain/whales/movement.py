"""What a transaction moves: how much, in which manner, and between whom."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from app.domain.whales.prevout import Prevout

Kind = Literal["transfer", "consolidation", "batch", "coinjoin-like"]
Flow = Literal["inflow", "outflow", "internal", "unknown"]

# Of equal outputs, and of those who pay in: fewer happen by chance.
_LEAST_JOINERS = 3
_LEAST_BATCH = 5
_INPUTS_AN_OUTPUT = 4
_MOST_MERGED_OUTPUTS = 2


class Movement(NamedTuple):
    """What is known of a transaction once its inputs are.

    Attributes:
        moved_sat: What goes to scripts that are not among those of its inputs; all of its outputs when those are not
            known. Change to a fresh address counts, so this is an upper bound.
        inputs_resolved: Whether they are.
        kind: How it looks.
        flow_type: Into exchanges, out of them, or within; `unknown` when no label says so.
        exchange_labels: Names of the exchanges on either side, sorted.
    """

    moved_sat: int
    inputs_resolved: bool
    kind: Kind
    flow_type: Flow
    exchange_labels: list[str]


def movement(
    inputs: int, outputs: Sequence[Prevout], spent: Sequence[Prevout] | None, exchanges: Mapping[bytes, str]
) -> Movement:
    """Return what a transaction moves.

    Args:
        inputs: How many it has.
        outputs: All of them.
        spent: What the inputs spend, all of it; None when that is not known.
        exchanges: Name of the exchange of each script that belongs to one.
    """
    own = {each.script for each in spent} if spent is not None else frozenset()
    moved = [output for output in outputs if output.script not in own]
    kind = _kind(inputs, moved, outputs, len(own) if spent is not None else inputs)
    names = {exchanges[script] for script in own if script in exchanges}
    flow: Flow = "unknown" if spent is None else _flow(moved, exchanges, is_from_exchange=bool(names))
    names |= {exchanges[output.script] for output in moved if output.script in exchanges}
    return Movement(sum(each.value_sat for each in moved), spent is not None, kind, flow, sorted(names))


def _kind(inputs: int, moved: Sequence[Prevout], outputs: Sequence[Prevout], payers: int) -> Kind:
    """Tell the manner from counts: nobody knows who owns what."""
    equal = max(Counter(output.value_sat for output in outputs if output.value_sat).values(), default=0)
    if equal >= _LEAST_JOINERS and payers >= equal:
        return "coinjoin-like"
    if len(outputs) <= _MOST_MERGED_OUTPUTS and inputs >= _INPUTS_AN_OUTPUT * len(outputs):
        return "consolidation"
    return "batch" if len(moved) >= _LEAST_BATCH else "transfer"


def _flow(moved: Collection[Prevout], exchanges: Mapping[bytes, str], *, is_from_exchange: bool) -> Flow:
    """Tell the direction; what an exchange sends to itself and to others is whichever is more.

    A payer's change is usually more than what is paid, so that whatever reaches an exchange from outside is an inflow.
    """
    to_exchange_sat = sum(output.value_sat for output in moved if output.script in exchanges)
    if not is_from_exchange:
        return "inflow" if to_exchange_sat else "unknown"
    return "internal" if 2 * to_exchange_sat > sum(output.value_sat for output in moved) else "outflow"

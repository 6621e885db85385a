"""Which transactions of a block speak about the price, and which of their amounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.domain.blocks.block import COINBASE_OUTPOINT
from app.domain.blocks.numbers_at import NumbersAt
from app.domain.blocks.outline import PLACE_FORMAT, PLACES
from app.domain.blocks.transaction import LOCK_TIME_BYTES, OUTPOINT_BYTES, SEQUENCE_BYTES, VALUE_BYTES, witness_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.domain.blocks.outline import Outline

MAX_INPUTS = 5
OUTPUTS = 2
MAX_WITNESS_BYTES = 500
ABOVE_SAT, BELOW_SAT = 1_000, 10_000_000_000_000

_OP_RETURN = 0x6A


@dataclass(frozen=True, slots=True, eq=False)
class Payments:
    """One person paying another, as often as it happens in a block: few inputs, a payment and its change.

    Attributes:
        index: Which transactions of the block they are, counted from 0, in block order; shape (payments,).
        values_sat: Values of the two outputs of each; shape (payments, 2).
        n_spent: How many outputs each spends, at least one; they sum up to the length of `spent`.
        spent: The first 64 bits of the txids of the transactions that made those outputs, as a number.
    """

    index: NDArray[np.intp]
    values_sat: NDArray[np.uint64]
    n_spent: NDArray[np.uint8]
    spent: NDArray[np.uint64]

    def without(self, wrong: NDArray[np.bool_]) -> Payments:
        """Return those that spend nothing wrong; `wrong` has a flag for each of `spent`."""
        is_left = np.ones(len(self.index), dtype=np.bool_)
        is_left[np.repeat(np.arange(len(self.index)), self.n_spent)[wrong]] = False
        spent = self.spent[np.repeat(is_left, self.n_spent)]
        return Payments(self.index[is_left], self.values_sat[is_left], self.n_spent[is_left], spent)


def read_payments(raw: bytes, outline: Outline) -> Payments:
    """Return the payments of a block; coinbases, carriers of data and large witnesses (inscriptions) are none.

    Args:
        raw: The block.
        outline: Its outline.
    """
    numbers = NumbersAt(raw)
    inputs_at, outputs_at, witness_at, ends = _columns(outline)
    index = np.flatnonzero((numbers.byte[outputs_at] == OUTPUTS) & (numbers.byte[inputs_at] <= MAX_INPUTS))
    index = index[_have_small_witness(raw, witness_at[index], ends[index])]
    values_sat, carries_data = _read_outputs(numbers, outputs_at[index])
    index, values_sat = index[~carries_data], values_sat[~carries_data]
    outpoints_at = _outpoints_at(numbers, inputs_at[index])
    found = Payments(index, values_sat, numbers.byte[inputs_at[index]], numbers.uint64[outpoints_at])
    return found.without(_are_coinbase(raw, outpoints_at, found.spent))


def _columns(outline: Outline) -> NDArray[np.intp]:
    return np.frombuffer(outline.places, PLACE_FORMAT).reshape(PLACES, -1).astype(np.intp)


def _have_small_witness(raw: bytes, witness_at: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.bool_]:
    # The rule is about the items of each input; few transactions have to be looked at so closely.
    are_small: NDArray[np.bool_] = ends - LOCK_TIME_BYTES - witness_at <= MAX_WITNESS_BYTES
    large = zip(witness_at[~are_small].tolist(), ends[~are_small].tolist(), strict=True)
    are_small[~are_small] = [max(witness_bytes(raw, *each)) <= MAX_WITNESS_BYTES for each in large]
    return are_small


def _read_outputs(numbers: NumbersAt, outputs_at: NDArray[np.intp]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the values in satoshi, shape (transactions, OUTPUTS), and whether one of the outputs carries data."""
    values_sat = np.empty((len(outputs_at), OUTPUTS), dtype=np.uint64)
    carries_data = np.zeros(len(outputs_at), dtype=np.bool_)
    at = outputs_at + 1
    for nth in range(OUTPUTS):
        values_sat[:, nth] = numbers.uint64[at]
        length, script_at = numbers.sizes(at + VALUE_BYTES)
        carries_data |= (length > 0) & (numbers.byte[script_at] == _OP_RETURN)
        at = script_at + length
    return values_sat, carries_data


def _outpoints_at(numbers: NumbersAt, inputs_at: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where the outpoints of all the transactions are, one transaction's after the other's."""
    n_inputs = numbers.byte[inputs_at]
    found = np.empty((len(inputs_at), MAX_INPUTS), dtype=np.intp)
    rows, at = np.arange(len(inputs_at)), inputs_at + 1
    for nth in range(MAX_INPUTS):
        has_more = n_inputs[rows] > nth
        rows, at = rows[has_more], at[has_more]
        found[rows, nth] = at
        length, script_at = numbers.sizes(at + OUTPOINT_BYTES)
        at = script_at + length + SEQUENCE_BYTES
    return found[np.arange(MAX_INPUTS) < n_inputs[:, np.newaxis]]


def _are_coinbase(raw: bytes, outpoints_at: NDArray[np.intp], spent: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which of the outpoints, whose txids begin with `spent`, are no outputs but what a coinbase names."""
    found: NDArray[np.bool_] = spent == 0
    found[found] = [raw.startswith(COINBASE_OUTPOINT, at) for at in outpoints_at[found].tolist()]
    return found

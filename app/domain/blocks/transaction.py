"""One serialised transaction, read in a single pass that notes where its parts are.

A length that points beyond the end is noticed by the next byte that is looked at (IndexError) or, at the very end,
by the caller comparing the position with the size. Nothing is allocated by a count before it is known to fit.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from app.domain.blocks.malformed import MalformedBlockError

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPOINT_BYTES = 36
VALUE_BYTES = 8
SEQUENCE_BYTES = 4
LOCK_TIME_BYTES = 4
INPUT_MIN_BYTES = OUTPOINT_BYTES + 1 + SEQUENCE_BYTES
OUTPUT_MIN_BYTES = VALUE_BYTES + 1

# A size below this takes one byte; from the first byte of another follow its width and the least that is written so.
LONG = 0xFD
_LONG_SIZES = {LONG: (2, LONG), 0xFE: (4, 0x1_0000), 0xFF: (8, 0x1_0000_0000)}

# What Transaction(...) calls, without the function around it: a block takes thousands of them.
_new = tuple.__new__


class Transaction(NamedTuple):
    """The hashes of a transaction, and where its parts are: of most, nobody asks for more.

    Attributes:
        txid_le: 32 bytes in the order in which inputs refer to them; reversed it is the txid that people see.
        wtxid_le: The hash of the whole, witness included; without a witness the same as `txid_le`.
        inputs_at: Where the number of inputs stands, followed by the inputs.
        outputs_at: Where the number of outputs stands, followed by the outputs.
        witness_at: Where the outputs end and the witness stands, if there is one.
        end: Position after the transaction.
    """

    txid_le: bytes
    wtxid_le: bytes
    inputs_at: int
    outputs_at: int
    witness_at: int
    end: int


def read_transaction(raw: bytes, start: int) -> Transaction:
    """Read the transaction at `start`; its end may lie beyond that of `raw`.

    Raises:
        MalformedBlockError: A count or a length is impossible, or there are no inputs or no outputs.
        IndexError: The bytes end too early.
    """
    segwit = raw[start + 4] == 0
    if segwit and raw[start + 5] != 1:
        raise MalformedBlockError(f"the transaction at byte {start} has no inputs, or an unknown flag")
    inputs_at = start + 6 if segwit else start + 4
    inputs, outputs_at = _after_inputs(raw, inputs_at)
    witness_at = _after_outputs(raw, outputs_at)
    lock_time_at = _after_witness(raw, witness_at, inputs) if segwit else witness_at
    end = lock_time_at + LOCK_TIME_BYTES
    wtxid_le = txid_le = sha256(sha256(raw[start:end]).digest()).digest()
    if segwit:
        stripped = raw[start : start + 4] + raw[inputs_at:witness_at] + raw[lock_time_at:end]
        txid_le = sha256(sha256(stripped).digest()).digest()
    return _new(Transaction, (txid_le, wtxid_le, inputs_at, outputs_at, witness_at, end))


def output_scripts(raw: bytes, transaction: Transaction) -> Iterator[bytes]:
    """Yield the script of each output of a transaction that was read from `raw`."""
    count, at = read_size(raw, transaction.outputs_at)
    for _ in range(count):
        length, script_at = read_size(raw, at + VALUE_BYTES)
        at = script_at + length
        yield raw[script_at:at]


def witness_bytes(raw: bytes, witness_at: int, end: int) -> list[int]:
    """Return for each input of a transaction that was read from `raw` the summed length of its witness items.

    Empty without a witness.

    Args:
        raw: The block.
        witness_at: As Transaction says it.
        end: Likewise.
    """
    at, sums = witness_at, []
    while at < end - LOCK_TIME_BYTES:
        count, at = read_size(raw, at)
        summed = 0
        for _ in range(count):
            length, at = read_size(raw, at)
            summed += length
            at += length
        sums.append(summed)
    return sums


def read_count(raw: bytes, at: int, element_min_bytes: int) -> tuple[int, int]:
    """Read how many elements follow; refuse more than can fit into the bytes that are left.

    Raises:
        MalformedBlockError: They cannot fit, or the number is not written in its shortest form.
        IndexError: The bytes end too early.
    """
    count, after = read_size(raw, at)
    if count * element_min_bytes > len(raw) - after:
        raise MalformedBlockError(f"the {count} elements announced at byte {at} do not fit into the bytes that follow")
    return count, after


def read_size(raw: bytes, at: int) -> tuple[int, int]:
    """Read a compact size; return it and the position after it."""
    size = raw[at]
    if size < LONG:
        return size, at + 1
    width, least = _LONG_SIZES[size]
    size = int.from_bytes(raw[at + 1 : at + 1 + width], "little")
    if size < least:
        raise MalformedBlockError(f"the size at byte {at} is cut off, or not in its shortest form")
    return size, at + 1 + width


# A quarter of the time that a block takes is spent below, and most of the rest in hashing: hence the form. Sizes of one
# byte, nearly all there are, are read in place. `at` goes from size to size, with what lies between two of them added
# at once. And most counts are 1 or 2: to make a range for them takes longer than to count down.


def _after_inputs(raw: bytes, start: int) -> tuple[int, int]:
    """Return how many inputs there are, and the position after them."""
    count, at = raw[start], start + 1
    if count >= LONG:
        count, at = read_count(raw, start, INPUT_MIN_BYTES)
    if not count:
        raise MalformedBlockError(f"the transaction has no inputs at byte {start}")
    left, at = count, at + OUTPOINT_BYTES
    while left:
        left -= 1
        length = raw[at]
        if length < LONG:
            at += length + INPUT_MIN_BYTES
        else:
            length, script_at = read_size(raw, at)
            at = script_at + length + SEQUENCE_BYTES + OUTPOINT_BYTES
    return count, at - OUTPOINT_BYTES


def _after_outputs(raw: bytes, start: int) -> int:
    left, at = raw[start], start + 1
    if left >= LONG:
        left, at = read_count(raw, start, OUTPUT_MIN_BYTES)
    if not left:
        raise MalformedBlockError(f"the transaction has no outputs at byte {start}")
    at += VALUE_BYTES
    while left:
        left -= 1
        length = raw[at]
        if length < LONG:
            at += length + OUTPUT_MIN_BYTES
        else:
            length, script_at = read_size(raw, at)
            at = script_at + length + VALUE_BYTES
    return at - VALUE_BYTES


def _after_witness(raw: bytes, start: int, inputs: int) -> int:
    left, at = inputs, start
    while left:
        left -= 1
        items_at = at
        items, at = raw[items_at], items_at + 1
        if items >= LONG:
            items, at = read_count(raw, items_at, 1)
        while items:
            items -= 1
            length = raw[at]
            if length < LONG:
                at += length + 1
            else:
                length, item_at = read_size(raw, at)
                at = item_at + length
    # No more than a byte for each input: none of them has an item.
    if at - start == inputs:
        raise MalformedBlockError(f"the transaction before byte {at} announces a witness and has none")
    return at

"""One serialised transaction, read in a single pass.

A length that points beyond the end is noticed by the next byte that is looked at (IndexError) or, at the very end,
by the caller comparing the position with the size. Nothing is allocated by a count before it is known to fit.
"""

from __future__ import annotations

from typing import NamedTuple

from app.domain.blocks.header import double_sha256
from app.domain.blocks.malformed import MalformedBlockError

INPUT_MIN_BYTES = 41
OUTPUT_MIN_BYTES = 9

_LONG_SIZES = {0xFD: (2, 0xFD), 0xFE: (4, 0x1_0000), 0xFF: (8, 0x1_0000_0000)}
_SHORT = 0xFD


class Transaction(NamedTuple):
    """A transaction without what nobody here asks for.

    Attributes:
        txid_le: 32 bytes in the order in which inputs refer to them; reversed it is the txid that people see.
        outpoints: For each input the 36 bytes of the output it spends: txid_le and the index, little-endian.
        outputs: Value in satoshi and script of each output.
        witness_bytes: For each input the summed length of its witness items; empty without a witness.
    """

    txid_le: bytes
    outpoints: list[bytes]
    outputs: list[tuple[int, bytes]]
    witness_bytes: list[int]


def read_transaction(raw: bytes, start: int) -> tuple[Transaction, int]:
    """Read the transaction at `start`; return it and the position after it, which may lie beyond the end.

    Raises:
        MalformedBlockError: A count or a length is impossible, or there are no inputs or no outputs.
        IndexError: The bytes end too early.
    """
    segwit = raw[start + 4] == 0
    if segwit and raw[start + 5] != 1:
        raise MalformedBlockError(f"the transaction at byte {start} has no inputs, or an unknown flag")
    body = start + 6 if segwit else start + 4
    outpoints, at = _read_inputs(raw, body)
    outputs, at = _read_outputs(raw, at)
    if not segwit:
        return Transaction(double_sha256(raw[start : at + 4]), outpoints, outputs, []), at + 4
    body_end = at
    witness_bytes, at = _read_witness(raw, at, len(outpoints))
    stripped = raw[start : start + 4] + raw[body:body_end] + raw[at : at + 4]
    return Transaction(double_sha256(stripped), outpoints, outputs, witness_bytes), at + 4


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
    if size < _SHORT:
        return size, at + 1
    width, least = _LONG_SIZES[size]
    size = int.from_bytes(raw[at + 1 : at + 1 + width], "little")
    if size < least:
        raise MalformedBlockError(f"the size at byte {at} is cut off, or not in its shortest form")
    return size, at + 1 + width


def _read_inputs(raw: bytes, at: int) -> tuple[list[bytes], int]:
    count, at = read_count(raw, at, INPUT_MIN_BYTES)
    if not count:
        raise MalformedBlockError(f"the transaction has no inputs at byte {at}")
    outpoints = []
    for _ in range(count):
        outpoints.append(raw[at : at + 36])
        length = raw[at + 36]
        if length < _SHORT:
            at += length + 41
        else:
            length, at = read_size(raw, at + 36)
            at += length + 4
    return outpoints, at


def _read_outputs(raw: bytes, at: int) -> tuple[list[tuple[int, bytes]], int]:
    count, at = read_count(raw, at, OUTPUT_MIN_BYTES)
    if not count:
        raise MalformedBlockError(f"the transaction has no outputs at byte {at}")
    outputs = []
    for _ in range(count):
        value_sat = int.from_bytes(raw[at : at + 8], "little")
        length = raw[at + 8]
        at += 9
        if length >= _SHORT:
            length, at = read_size(raw, at - 1)
        end = at + length
        outputs.append((value_sat, raw[at:end]))
        at = end
    return outputs, at


def _read_witness(raw: bytes, at: int, inputs: int) -> tuple[list[int], int]:
    sums, items_in_all = [], 0
    for _ in range(inputs):
        items, at = read_count(raw, at, 1)
        items_in_all += items
        summed = 0
        for _ in range(items):
            length = raw[at]
            at += 1
            if length >= _SHORT:
                length, at = read_size(raw, at - 1)
            summed += length
            at += length
        sums.append(summed)
    if not items_in_all:
        raise MalformedBlockError(f"the transaction before byte {at} announces a witness and has none")
    return sums, at

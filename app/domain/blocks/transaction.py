"""One serialised transaction, read in a single pass.

A length that points beyond the end is noticed by the next byte that is looked at (IndexError) or, at the very end,
by the caller comparing the position with the size. Nothing is allocated by a count before it is known to fit.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from app.domain.blocks.malformed import MalformedBlockError

INPUT_MIN_BYTES = 41
OUTPUT_MIN_BYTES = 9

_LONG_SIZES = {0xFD: (2, 0xFD), 0xFE: (4, 0x1_0000), 0xFF: (8, 0x1_0000_0000)}
_SHORT = 0xFD


class Transaction(NamedTuple):
    """A transaction without what nobody here asks for.

    Attributes:
        txid_le: 32 bytes in the order in which inputs refer to them; reversed it is the txid that people see.
        wtxid_le: The hash of the whole, witness included; without a witness the same as `txid_le`.
        outpoints: For each input the 36 bytes of the output it spends: txid_le and the index, little-endian.
        output_starts: Where each output begins; `read_output` reads those that somebody asks for.
        witness_bytes: For each input the summed length of its witness items; empty without a witness.
    """

    txid_le: bytes
    wtxid_le: bytes
    outpoints: list[bytes]
    output_starts: list[int]
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
    output_starts, at = _skip_outputs(raw, at)
    if not segwit:
        txid_le = sha256(sha256(raw[start : at + 4]).digest()).digest()
        return Transaction(txid_le, txid_le, outpoints, output_starts, []), at + 4
    body_end = at
    witness_bytes, at = _read_witness(raw, at, len(outpoints))
    end = at + 4
    txid_le = sha256(sha256(raw[start : start + 4] + raw[body:body_end] + raw[at:end]).digest()).digest()
    wtxid_le = sha256(sha256(raw[start:end]).digest()).digest()
    return Transaction(txid_le, wtxid_le, outpoints, output_starts, witness_bytes), end


def read_output(raw: bytes, start: int) -> tuple[int, bytes, int]:
    """Return value in satoshi and script of the output at `start`, and the position after it; `raw` was read before."""
    length, at = raw[start + 8], start + 9
    if length >= _SHORT:
        length, at = read_size(raw, start + 8)
    end = at + length
    return int.from_bytes(raw[start : start + 8], "little"), raw[at:end], end


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
    # Sizes of one byte, nearly all there are, are read in place: a call for each would double the time.
    count = raw[at]
    count, at = (count, at + 1) if count < _SHORT else read_count(raw, at, INPUT_MIN_BYTES)
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


def _skip_outputs(raw: bytes, at: int) -> tuple[list[int], int]:
    count = raw[at]
    count, at = (count, at + 1) if count < _SHORT else read_count(raw, at, OUTPUT_MIN_BYTES)
    if not count:
        raise MalformedBlockError(f"the transaction has no outputs at byte {at}")
    starts = []
    for _ in range(count):
        starts.append(at)
        length = raw[at + 8]
        if length < _SHORT:
            at += length + 9
        else:
            length, at = read_size(raw, at + 8)
            at += length
    return starts, at


def _read_witness(raw: bytes, at: int, inputs: int) -> tuple[list[int], int]:
    sums, any_items = [], False
    for _ in range(inputs):
        count = raw[at]
        count, at = (count, at + 1) if count < _SHORT else read_count(raw, at, 1)
        any_items = any_items or count > 0
        summed = 0
        for _ in range(count):
            length = raw[at]
            at += 1
            if length >= _SHORT:
                length, at = read_size(raw, at - 1)
            summed += length
            at += length
        sums.append(summed)
    if not any_items:
        raise MalformedBlockError(f"the transaction before byte {at} announces a witness and has none")
    return sums, at

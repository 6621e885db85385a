"""Transactions as bytes."""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from typing import NamedTuple

from tests.fakes.blocks import compact, double_sha256

_SEQUENCE = b"\xfd\xff\xff\xff"

# A million small sizes a chain.
size_prefix = functools.cache(compact)


# The 36 bytes of the output spent, scriptSig, and the items of the witness.
Input = tuple[bytes, bytes, Sequence[bytes]]
# Satoshi, and the script that they are paid to.
Output = tuple[int, bytes]


class Transaction(NamedTuple):
    """A serialised transaction, and its ids in the order in which they are hashed."""

    raw: bytes
    txid_le: bytes
    wtxid_le: bytes


def serialise(
    inputs: Sequence[Input], outputs: Sequence[Output], *, version: int = 2, locktime: int = 0
) -> Transaction:
    """Return the transaction, with marker, flag and witness if any input has a witness."""
    body = _body(inputs, outputs)
    head, tail = struct.pack("<I", version), struct.pack("<I", locktime)
    stripped = head + body + tail
    txid_le = double_sha256(stripped)
    if not any(witness for _, _, witness in inputs):
        return Transaction(stripped, txid_le, txid_le)
    raw = b"".join((head, b"\x00\x01", body, _witness(inputs), tail))
    return Transaction(raw, txid_le, double_sha256(raw))


def _body(inputs: Sequence[Input], outputs: Sequence[Output]) -> bytes:
    parts = [size_prefix(len(inputs))]
    for outpoint, script, _ in inputs:
        parts += (outpoint, size_prefix(len(script)), script, _SEQUENCE)
    parts.append(size_prefix(len(outputs)))
    for value_sat, script in outputs:
        parts += (value_sat.to_bytes(8, "little"), size_prefix(len(script)), script)
    return b"".join(parts)


def _witness(inputs: Sequence[Input]) -> bytes:
    parts = []
    for _, _, items in inputs:
        parts.append(size_prefix(len(items)))
        for item in items:
            parts += (size_prefix(len(item)), item)
    return b"".join(parts)

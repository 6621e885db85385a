"""Which of all transactions are looked at more closely: nearly none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.blocks.malformed import MalformedBlockError
from app.domain.blocks.transaction import (
    INPUT_MIN_BYTES,
    LONG,
    OUTPOINT_BYTES,
    OUTPUT_MIN_BYTES,
    SEQUENCE_BYTES,
    VALUE_BYTES,
    read_count,
    read_size,
)

if TYPE_CHECKING:
    from collections.abc import Container

_VERSION_BYTES = 4


def is_worth_a_look(raw: bytes, threshold_sat: int, followed: Container[bytes]) -> bool:
    """Return whether a transaction may be a whale, or spends what a followed one spends.

    Nothing is hashed and nothing is copied that is not compared. What is no transaction is worth nothing.

    Args:
        raw: A serialised transaction.
        threshold_sat: Sum of all outputs from which on it may be a whale; what comes back as change counts here.
        followed: Outpoints of 36 bytes, as they stand in a transaction.
    """
    try:
        at = _VERSION_BYTES
        # No inputs, and a flag: the witness has been marked.
        if not raw[at]:
            at += 2
        left, at = read_count(raw, at, INPUT_MIN_BYTES) if raw[at] >= LONG else (raw[at], at + 1)
        while left:
            left -= 1
            if raw[at : at + OUTPOINT_BYTES] in followed:
                return True
            length = raw[at + OUTPOINT_BYTES]
            if length < LONG:
                at += length + INPUT_MIN_BYTES
            else:
                length, script_at = read_size(raw, at + OUTPOINT_BYTES)
                at = script_at + length + SEQUENCE_BYTES
        left, at = read_count(raw, at, OUTPUT_MIN_BYTES) if raw[at] >= LONG else (raw[at], at + 1)
        while left:
            left -= 1
            threshold_sat -= int.from_bytes(raw[at : at + VALUE_BYTES], "little")
            length = raw[at + VALUE_BYTES]
            if length < LONG:
                at += length + OUTPUT_MIN_BYTES
            else:
                length, script_at = read_size(raw, at + VALUE_BYTES)
                at = script_at + length
    except (IndexError, MalformedBlockError):
        return False
    return threshold_sat <= 0

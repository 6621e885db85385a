"""The work that regtest asks for."""

from __future__ import annotations

BITS = 0x207FFFFF
_TARGET = 0x7FFFFF << 8 * (0x20 - 3)


def meets_target(hash_le: bytes) -> bool:
    """Return whether bitcoind takes a block with that hash, in wire order; one of two will do.

    The whole number counts: a hash that starts with 7fffff is refused though its first bit is 0.
    """
    return int.from_bytes(hash_le, "little") <= _TARGET

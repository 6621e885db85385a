"""The work that regtest asks for."""

from __future__ import annotations

import itertools
import struct

from tests.node.programs.life.transaction import double_sha256

_BITS = 0x207FFFFF
_TARGET = (_BITS & 0xFFFFFF) << 8 * ((_BITS >> 24) - 3)


def meets_target(hash_le: bytes) -> bool:
    """Return whether bitcoind takes a block with that hash, in wire order; one of two will do.

    The whole number counts: a hash that starts with 7fffff is refused though its first bit is 0.
    """
    return int.from_bytes(hash_le, "little") <= _TARGET


def mine(start: bytes) -> tuple[bytes, bytes]:
    """Return the header that begins with `start`, up to its time, and its hash; the first nonce that does is taken."""
    headers = (start + struct.pack("<II", _BITS, nonce) for nonce in itertools.count())
    mined = ((header, double_sha256(header)) for header in headers)
    return next((header, hash_le) for header, hash_le in mined if meets_target(hash_le))

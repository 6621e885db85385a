"""Block headers: 80 bytes whose double SHA-256 names the block."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from app.domain.blocks.malformed import MalformedBlockError

HEADER_BYTES = 80


class Header(NamedTuple):
    """What a header says.

    Attributes:
        hash: Text in display order, as RPC and explorers show it.
        previous_hash: That of the parent, in display order too.
        merkle_root_le: Root over the txids, in the order in which it is hashed.
        time: Seconds since 1970 UTC that the miner stamped; may lie before the parent's.
    """

    hash: str
    previous_hash: str
    merkle_root_le: bytes
    time: int


def double_sha256(data: bytes) -> bytes:
    """Return SHA-256 of SHA-256 of `data`: 32 bytes."""
    return sha256(sha256(data).digest()).digest()


def read_header(raw: bytes) -> Header:
    """Read the header with which `raw` starts.

    Raises:
        MalformedBlockError: There are fewer than 80 bytes.
    """
    if len(raw) < HEADER_BYTES:
        raise MalformedBlockError(f"a header has {HEADER_BYTES} bytes, here are {len(raw)}")
    return Header(
        hash=double_sha256(raw[:HEADER_BYTES])[::-1].hex(),
        previous_hash=raw[4:36][::-1].hex(),
        merkle_root_le=raw[36:68],
        time=int.from_bytes(raw[68:72], "little"),
    )

"""Block headers put together again from Esplora's descriptions, which come ten or more a page."""

from __future__ import annotations

import struct

import msgspec

from app.adapters.strange_json import json_of

_HASH_BYTES = 32
_VERSION = 0xFFFFFFFF


class _Described(msgspec.Struct):
    """The part of a description that the header is made of; hashes in display order."""

    version: int
    previousblockhash: str | None
    merkle_root: str
    timestamp: int
    bits: int
    nonce: int

    def header(self) -> bytes:
        """Return the 80 bytes; raise ValueError or struct.error when there can be no such header."""
        previous_le = bytes.fromhex(self.previousblockhash)[::-1] if self.previousblockhash else bytes(_HASH_BYTES)
        root_le = bytes.fromhex(self.merkle_root)[::-1]
        # bitcoind, and who repeats it, takes the version for a number with a sign.
        return struct.pack(
            "<I32s32sIII", self.version & _VERSION, previous_le, root_le, self.timestamp, self.bits, self.nonce
        )


def headers_of(page: bytes) -> list[bytes]:
    """Return the headers that the JSON of `/blocks/:height` describes, in its order; none when it is anything else."""
    try:
        return [each.header() for each in json_of(page, list[_Described])]
    except (ValueError, struct.error):
        return []

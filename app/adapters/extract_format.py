"""A block's extract as bytes: a head with a checksum, then its arrays, all little-endian."""

from __future__ import annotations

import struct
import zlib
from itertools import accumulate

import numpy as np

from app.domain.price.extract import BlockExtract

# Another number for every change of what follows it, and of the rules by which an extract is made.
_MAGIC = b"utxoracle extract 1\n"

# Checksum of all that follows it; height, searched_from, time, block hash, hash of the parent; transactions, payments,
# outputs spent.
_CHECKSUM = struct.Struct("<I")
_HEAD = struct.Struct("<iiI32s32sIII")
_ARRAYS_AT = len(_MAGIC) + _CHECKSUM.size + _HEAD.size

# A block has at most 4,000,000 bytes. A transaction has at least 60 and leaves a txid; a payment has at least 69 and
# leaves 21 more, and 8 for each output spent, which took 41.
MAX_FILE_BYTES = 2_500_000


class ForeignBytesError(ValueError):
    """The bytes are no extract, not a whole one, or one of another version."""


def packed(extract: BlockExtract) -> bytes:
    """Return `extract` as bytes."""
    head = _HEAD.pack(
        extract.height,
        extract.searched_from,
        extract.time,
        bytes.fromhex(extract.hash),
        bytes.fromhex(extract.previous_hash),
        len(extract.txids),
        len(extract.n_spent),
        len(extract.spent),
    )
    content = head + b"".join(
        [
            extract.txids.astype("<u8", copy=False).tobytes(),
            extract.spent.astype("<u8", copy=False).tobytes(),
            extract.values_sat.astype("<u8", copy=False).tobytes(),
            extract.parents.astype("<i4", copy=False).tobytes(),
            extract.n_spent.tobytes(),
        ]
    )
    return _MAGIC + _CHECKSUM.pack(zlib.crc32(content)) + content


def unpacked(raw: bytes) -> BlockExtract:
    """Return the extract that was packed into `raw`; raise ForeignBytesError when none was.

    Its arrays are views of `raw`.
    """
    if len(raw) < _ARRAYS_AT or not raw.startswith(_MAGIC):
        raise ForeignBytesError
    content_at = len(_MAGIC) + _CHECKSUM.size
    if _CHECKSUM.unpack_from(raw, len(_MAGIC))[0] != zlib.crc32(memoryview(raw)[content_at:]):
        raise ForeignBytesError
    height, searched_from, time, hash_bytes, previous_bytes, n_txids, n_payments, n_spent = _HEAD.unpack_from(
        raw, content_at
    )
    sizes = (8 * n_txids, 8 * n_spent, 16 * n_payments, 4 * n_payments, n_payments)
    txids_at, spent_at, values_at, parents_at, n_spent_at, end = accumulate(sizes, initial=_ARRAYS_AT)
    if len(raw) != end:
        raise ForeignBytesError
    return BlockExtract(
        height=height,
        hash=hash_bytes.hex(),
        previous_hash=previous_bytes.hex(),
        time=time,
        txids=np.frombuffer(raw, "<u8", n_txids, txids_at),
        values_sat=np.frombuffer(raw, "<u8", 2 * n_payments, values_at).reshape(-1, 2),
        n_spent=np.frombuffer(raw, "u1", n_payments, n_spent_at),
        spent=np.frombuffer(raw, "<u8", n_spent, spent_at),
        parents=np.frombuffer(raw, "<i4", n_payments, parents_at),
        searched_from=searched_from,
    )

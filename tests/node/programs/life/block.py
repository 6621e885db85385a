"""Blocks as bytes, for a history that bitcoind did not mine itself."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tests.node.programs.life.transaction import Transaction, compact_size, double_sha256
from tests.node.programs.life.work import mine

_VERSION = 0x20000000
_HALVING_BLOCKS = 150
_SUBSIDY_SAT = 50 * 100_000_000
_COMMITMENT = b"\x6a\x24\xaa\x21\xa9\xed"
_FIRST_HEIGHT_IN_TWO_BYTES = 17


def reward_sat(height: int, transactions: Sequence[Transaction]) -> int:
    """Return subsidy, as regtest halves it, and fees."""
    return (_SUBSIDY_SAT >> height // _HALVING_BLOCKS) + sum(each.fee_sat for each in transactions)


def assemble(  # noqa: PLR0913, PLR0917 - a block has that many parts
    height: int,
    unix_time: int,
    previous_hash_le: bytes,
    transactions: Sequence[Transaction],
    reward_script: bytes,
    salt: bytes,
) -> tuple[bytes, bytes, bytes]:
    """Return the block, its hash and the txid of its coinbase, the last two in wire order."""
    commitment = double_sha256(_root([bytes(32), *(each.wtxid_le for each in transactions)]) + bytes(32))
    signature = _height_script(height) + b"/life/" + salt
    outputs = struct.pack("<Q", reward_sat(height, transactions)) + compact_size(len(reward_script)) + reward_script
    outputs += bytes(8) + compact_size(len(_COMMITMENT) + 32) + _COMMITMENT + commitment
    body = (
        b"\x01" + bytes(32) + b"\xff" * 4 + compact_size(len(signature)) + signature + b"\xff" * 4 + b"\x02" + outputs
    )
    version, lock = struct.pack("<I", 2), bytes(4)
    coinbase_txid_le = double_sha256(version + body + lock)
    coinbase = version + b"\x00\x01" + body + b"\x01\x20" + bytes(32) + lock
    root = _root([coinbase_txid_le, *(each.txid_le for each in transactions)])
    header, hash_le = mine(struct.pack("<I", _VERSION) + previous_hash_le + root + struct.pack("<I", unix_time))
    content = header + compact_size(len(transactions) + 1) + coinbase + b"".join(each.raw for each in transactions)
    return content, hash_le, coinbase_txid_le


def _root(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes += hashes[-1:] * (len(hashes) % 2)
        hashes = [double_sha256(left + right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def _height_script(height: int) -> bytes:
    """Return the push of the height that a coinbase starts with; the first 16 have opcodes of their own."""
    if height < _FIRST_HEIGHT_IN_TWO_BYTES:
        return bytes((0x50 + height,))
    content = height.to_bytes(height.bit_length() // 8 + 1, "little")
    return bytes((len(content),)) + content

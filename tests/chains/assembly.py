"""Blocks around their transactions: coinbase, commitment, header, nonce."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tests.chains.chain import Block
from tests.chains.random_bytes import RandomBytes
from tests.chains.transactions import Output, Transaction, serialise, size_prefix
from tests.fakes.blocks import ZERO, double_sha256, merkle_root
from tests.node.programs.life.work import mine

_COINBASE_OUTPOINT = ZERO + b"\xff\xff\xff\xff"
_COMMITMENT = b"\x6a\x24\xaa\x21\xa9\xed"
_VERSION = 0x20000000
_SUBSIDY_SAT, _FEE_SAT, _SECOND_SAT = 312_500_000, 7_000, 600_000


def assemble(
    some: RandomBytes, height: int, time: int, previous_le: bytes, transactions: Sequence[Transaction]
) -> Block:
    """Return the block of `transactions` and a coinbase, upon the block with the hash `previous_le`."""
    every = [_coinbase(some, height, transactions), *transactions]
    root_le = merkle_root([each.txid_le for each in every])
    header, hash_le = mine(struct.pack("<I", _VERSION) + previous_le + root_le + struct.pack("<I", time))
    raw = b"".join((header, size_prefix(len(every)), *(each.raw for each in every)))
    return Block(height, time, hash_le[::-1].hex(), raw, len(every))


def _coinbase(some: RandomBytes, height: int, transactions: Sequence[Transaction]) -> Transaction:
    push = height.to_bytes((height.bit_length() + 8) // 8, "little")
    script = bytes((len(push),)) + push + b"/synthetic/" + some(8)
    outputs: list[Output] = [(_SUBSIDY_SAT + _FEE_SAT * len(transactions), b"\x00\x14" + some(20))]
    if any(each.wtxid_le != each.txid_le for each in transactions):
        root_le = merkle_root([ZERO, *(each.wtxid_le for each in transactions)])
        outputs.append((0, _COMMITMENT + double_sha256(root_le + ZERO)))
        return serialise([(_COINBASE_OUTPOINT, script, [ZERO])], outputs)
    # Two plain outputs: that it is a coinbase is the only reason not to use them.
    outputs.append((_SECOND_SAT, b"\x76\xa9\x14" + some(20) + b"\x88\xac"))
    return serialise([(_COINBASE_OUTPOINT, script, [])], outputs)

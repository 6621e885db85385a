"""Well-formed blocks and transactions, made by hand; independent of the application's parser."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

ZERO = bytes(32)


def double_sha256(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def compact(size: int) -> bytes:
    if size < 0xFD:
        return bytes((size,))
    if size <= 0xFFFF:
        return b"\xfd" + struct.pack("<H", size)
    return b"\xfe" + struct.pack("<I", size)


@dataclass(frozen=True)
class Input:
    txid_le: bytes = b"\x11" * 32
    index: int = 0
    script: bytes = b""
    witness: Sequence[bytes] = ()


@dataclass(frozen=True)
class Tx:
    """A transaction with everything that its serialisation holds."""

    inputs: Sequence[Input] = (Input(),)
    outputs: Sequence[tuple[int, bytes]] = ((50_000, b"\x51"), (70_000, b"\x52"))
    lock_time: int = 0
    version: int = 2

    @property
    def stripped(self) -> bytes:
        return struct.pack("<I", self.version) + self._body() + struct.pack("<I", self.lock_time)

    @property
    def raw(self) -> bytes:
        if not any(each.witness for each in self.inputs):
            return self.stripped
        witness = b"".join(
            compact(len(each.witness)) + b"".join(compact(len(item)) + item for item in each.witness)
            for each in self.inputs
        )
        head = struct.pack("<I", self.version) + b"\x00\x01"
        return head + self._body() + witness + struct.pack("<I", self.lock_time)

    @property
    def txid_le(self) -> bytes:
        return double_sha256(self.stripped)

    @property
    def wtxid_le(self) -> bytes:
        return double_sha256(self.raw)

    def _body(self) -> bytes:
        inputs = b"".join(
            each.txid_le + struct.pack("<I", each.index) + compact(len(each.script)) + each.script + b"\xff" * 4
            for each in self.inputs
        )
        outputs = b"".join(struct.pack("<Q", value) + compact(len(script)) + script for value, script in self.outputs)
        return compact(len(self.inputs)) + inputs + compact(len(self.outputs)) + outputs


def coinbase(height: int = 0) -> Tx:
    script = struct.pack("<I", height)
    return Tx(inputs=(Input(ZERO, 0xFFFFFFFF, script),), outputs=((5_000_000_000, b"\x51"), (60_000, b"\x52")))


def merkle_root(hashes: Sequence[bytes]) -> bytes:
    level = list(hashes)
    while len(level) > 1:
        level += level[-1:] * (len(level) % 2)
        level = [double_sha256(level[at] + level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


def block(transactions: Sequence[Tx], *, previous_le: bytes = ZERO, time: int = 1_718_445_600) -> bytes:
    """Return the serialised block; its first transaction should be a coinbase."""
    root = merkle_root([each.txid_le for each in transactions])
    header = struct.pack("<I", 0x20000000) + previous_le + root + struct.pack("<III", time, 0x207FFFFF, 0)
    return header + compact(len(transactions)) + b"".join(each.raw for each in transactions)


def witness_commitment(transactions: Sequence[Tx], reserved: bytes = ZERO) -> bytes:
    """Return the script by which a coinbase commits to the witnesses of the transactions that follow it."""
    root = merkle_root([ZERO, *(each.wtxid_le for each in transactions)])
    return b"\x6a\x24\xaa\x21\xa9\xed" + double_sha256(root + reserved)


def segwit_coinbase(transactions: Sequence[Tx], height: int = 0, reserved: bytes = ZERO) -> Tx:
    """Return a coinbase that commits to the witnesses of `transactions`."""
    return Tx(
        inputs=(Input(ZERO, 0xFFFFFFFF, struct.pack("<I", height), (reserved,)),),
        outputs=((5_000_000_000, b"\x51"), (0, witness_commitment(transactions, reserved))),
    )


def segwit_block(
    transactions: Sequence[Tx], *, previous_le: bytes = ZERO, time: int = 1_718_445_600, height: int = 0
) -> bytes:
    """Return the serialised block of a coinbase and `transactions`, to whose witnesses it commits."""
    return block((segwit_coinbase(transactions, height), *transactions), previous_le=previous_le, time=time)


@dataclass
class Chain:
    """Raw blocks by height, each upon the one below."""

    blocks: dict[int, bytes] = field(default_factory=dict)

    def extend(self, transactions: Sequence[Tx] = (), *, time: int = 1_718_445_600, tag: int = 0) -> None:
        """Add a block; another `tag` makes another block of the same content."""
        height = len(self.blocks)
        previous_le = double_sha256(self.blocks[height - 1][:80]) if height else ZERO
        has_witness = any(each.witness for transaction in transactions for each in transaction.inputs)
        unique = height + 1_000_000 * tag
        first = segwit_coinbase(transactions, unique) if has_witness else coinbase(unique)
        self.blocks[height] = block((first, *transactions), previous_le=previous_le, time=time)

    def branch(self, height: int) -> Chain:
        """Return a chain that shares the blocks below `height`."""
        return Chain({each: raw for each, raw in self.blocks.items() if each < height})

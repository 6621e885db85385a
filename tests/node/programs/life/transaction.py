"""Transactions as bytes."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.node.programs.life.scripts import Scripts

# One witness: two items, the first of 72 bytes as a signature would be, the second the script of 35.
_WITNESS_BYTES = 1 + 1 + 72 + 1 + 35
_INPUT_BYTES = 41
_OUR_SCRIPT_BYTES = 34
_REPLACEABLE = b"\xfd\xff\xff\xff"


class Coin(NamedTuple):
    """An output that we can spend; `script` is its number, `height` that of the block it is in."""

    txid_le: bytes
    vout: int
    value_sat: int
    script: int
    height: int


class Output(NamedTuple):
    """Satoshi, and where to: the number of one of our scripts, or the bytes of another."""

    value_sat: int
    script: int | bytes


@dataclass(slots=True)
class Transaction:
    """A finished transaction.

    Attributes:
        kind: pay, sweep, consolidation, batch, note, replacement, child, whale or whale-<shape>; for the counts and
            the record alone.
        depth: How many unconfirmed transactions of ours it stands on.
        spent_by_child: The output that an unconfirmed transaction of ours spends already.
    """

    kind: str
    coins: list[Coin]
    outputs: list[Output]
    fee_sat: int
    raw: bytes
    txid_le: bytes
    wtxid_le: bytes
    depth: int = 0
    spent_by_child: int | None = None

    @property
    def txid(self) -> str:
        """The txid as bitcoind writes it."""
        return self.txid_le[::-1].hex()

    @property
    def vsize_vb(self) -> int:
        """Virtual size."""
        return vsize_vb(len(self.coins), self.outputs)

    def coins_made(self, height: int) -> list[Coin]:
        """Return the outputs that are free to spend once a block at `height` holds this."""
        return [
            Coin(self.txid_le, vout, output.value_sat, output.script, height)
            for vout, output in enumerate(self.outputs)
            if isinstance(output.script, int) and vout != self.spent_by_child
        ]


def double_sha256(content: bytes) -> bytes:
    """Return Bitcoin's hash."""
    return hashlib.sha256(hashlib.sha256(content).digest()).digest()


def compact_size(number: int) -> bytes:
    """Return `number`, below 65,536, in Bitcoin's encoding of lengths."""
    return bytes((number,)) if number < 0xFD else b"\xfd" + struct.pack("<H", number)


def vsize_vb(inputs: int, outputs: Sequence[Output]) -> int:
    """Return the virtual size of a transaction with so many inputs and these outputs, exact below 253 of each."""
    body = 10 + _INPUT_BYTES * inputs
    body += sum(9 + (_OUR_SCRIPT_BYTES if isinstance(o.script, int) else len(o.script)) for o in outputs)
    return (4 * body + 2 + _WITNESS_BYTES * inputs + 3) // 4


def build(  # noqa: PLR0913 - a transaction has that many parts
    scripts: Scripts, kind: str, coins: list[Coin], outputs: list[Output], fee_sat: int, *, lock_height: int = 0
) -> Transaction:
    """Return the transaction that spends `coins`, signals that it may be replaced, and needs no signature."""
    body = compact_size(len(coins))
    body += b"".join(coin.txid_le + struct.pack("<I", coin.vout) + b"\x00" + _REPLACEABLE for coin in coins)
    body += compact_size(len(outputs))
    for output in outputs:
        script = scripts.output[output.script] if isinstance(output.script, int) else output.script
        body += struct.pack("<Q", output.value_sat) + compact_size(len(script)) + script
    version, lock = struct.pack("<I", 2), struct.pack("<I", lock_height)
    witness = b"".join(b"\x02\x48" + _item_of_72_bytes(coin) + b"\x23" + scripts.witness[coin.script] for coin in coins)
    raw = version + b"\x00\x01" + body + witness + lock
    return Transaction(kind, coins, outputs, fee_sat, raw, double_sha256(version + body + lock), double_sha256(raw))


def _item_of_72_bytes(coin: Coin) -> bytes:
    noise = hashlib.sha512(coin.txid_le + struct.pack("<I", coin.vout)).digest()
    return noise + noise[:8]

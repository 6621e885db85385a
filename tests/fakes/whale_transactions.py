"""Real serialised transactions, and what their senders know of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.domain.whales.prevout import Outpoint, Prevout
from tests.chains.transactions import Transaction, serialise

BTC = 100_000_000


class Coin(NamedTuple):
    """An output that can be spent."""

    outpoint: Outpoint
    value_sat: int
    script: bytes


@dataclass(frozen=True)
class Sent:
    """A transaction, known to its sender: what it spends, pays and costs."""

    made: Transaction
    coins: tuple[Coin, ...]
    outputs: tuple[Prevout, ...]
    vsize_vb: int

    @property
    def raw(self) -> bytes:
        return self.made.raw

    @property
    def txid(self) -> str:
        return self.made.txid_le[::-1].hex()

    @property
    def txid_bytes(self) -> bytes:
        """In display order."""
        return self.made.txid_le[::-1]

    @property
    def outpoints(self) -> list[Outpoint]:
        return [coin.outpoint for coin in self.coins]

    @property
    def parents(self) -> set[str]:
        return {coin.outpoint.txid for coin in self.coins}

    @property
    def fee_sat(self) -> int:
        return sum(coin.value_sat for coin in self.coins) - sum(output.value_sat for output in self.outputs)

    @property
    def moved_sat(self) -> int:
        """What goes to scripts that pay nothing into it."""
        own = {coin.script for coin in self.coins}
        return sum(output.value_sat for output in self.outputs if output.script not in own)

    def coin(self, vout: int = 0) -> Coin:
        """Return one of its outputs, to be spent."""
        return Coin(Outpoint(self.txid, vout), *self.outputs[vout])


def script_of(number: int) -> bytes:
    """Return the witness program of a made-up key."""
    return b"\x00\x14" + number.to_bytes(20, "big")


def pay(coins: Sequence[Coin], outputs: Sequence[tuple[int, bytes]]) -> Sent:
    """Return a transaction that spends `coins`, with signatures of zeros, and signals that it may be replaced."""
    inputs = [(bytes.fromhex(coin.outpoint.txid)[::-1] + coin.outpoint.vout.to_bytes(4, "little")) for coin in coins]
    made = serialise([(outpoint, b"", [bytes(71), bytes(33)]) for outpoint in inputs], outputs)
    stripped = serialise([(outpoint, b"", []) for outpoint in inputs], outputs)
    vsize_vb = -(-(3 * len(stripped.raw) + len(made.raw)) // 4)
    return Sent(made, tuple(coins), tuple(Prevout(*output) for output in outputs), vsize_vb)

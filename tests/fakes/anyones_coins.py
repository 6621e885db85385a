"""Coins of a regtest node that anyone can spend, and transactions that spend them; no wallet is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.fakes.blocks import Input, Tx
from tests.node.bitcoind import Bitcoind

ANYONES_SCRIPT = b"\x51"
MATURITY_BLOCKS = 100
# For the node: scripts this short are not standard.
ACCEPTING = ("-acceptnonstdtxn=1",)


@dataclass(frozen=True)
class Coin:
    """An output to ANYONES_SCRIPT."""

    txid: str
    vout: int
    value_sat: int


def mine_coins(node: Bitcoind, count: int) -> list[Coin]:
    """Mine until `count` new coins can be spent, and return them."""
    hashes = node.mine(count + MATURITY_BLOCKS)[:count]
    coinbases = [node.call("getblock", each, 2)["tx"][0] for each in hashes]
    return [Coin(each["txid"], 0, round(each["vout"][0]["value"] * 100_000_000)) for each in coinbases]


def spending(coins: Sequence[Coin], fee_sat: int, outputs: int = 2) -> Tx:
    """Return a transaction that spends `coins` into outputs of the same value, the last one a little more."""
    total_sat = sum(coin.value_sat for coin in coins) - fee_sat
    each_sat = total_sat // outputs
    values = [each_sat] * (outputs - 1) + [total_sat - each_sat * (outputs - 1)]
    return Tx(
        inputs=[Input(bytes.fromhex(coin.txid)[::-1], coin.vout) for coin in coins],
        outputs=[(value, ANYONES_SCRIPT) for value in values],
    )


def coins_of(transaction: Tx) -> list[Coin]:
    """Return its outputs."""
    return [Coin(txid_of(transaction), vout, value) for vout, (value, _) in enumerate(transaction.outputs)]


def txid_of(transaction: Tx) -> str:
    return transaction.txid_le[::-1].hex()


def send(node: Bitcoind, transaction: Tx) -> bytes:
    """Let the node have it, at any feerate; return its txid in display order."""
    return bytes.fromhex(node.call("sendrawtransaction", transaction.raw.hex(), 0))

"""What whales there were: by the record of who sent them, and by bitcoind's own description of every transaction.

Written without the application and without the generator's notion of its coins, so that both can be held against it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.node.bitcoind import Bitcoind

_SAT_PER_BTC = 100_000_000


@dataclass(frozen=True)
class Sent:
    """A line of the record, as `tests.node.programs.life.record` describes it."""

    txid: str
    sent_at_seconds: float
    sent_at_ms: int
    moved_sat: int
    replaces: str | None
    kind: str
    flow: str
    outcome: str


def read_record(path: Path) -> list[Sent]:
    """Return all that is written down, oldest first; a line that was cut off in the middle is left out."""
    lines = path.read_text("utf-8").split("\n")[:-1]
    return [Sent(**json.loads(line)) for line in lines]


def whales(sent: Iterable[Sent], least_sat: int, *outcomes: str) -> dict[str, Sent]:
    """Return, by txid, what moves `least_sat` and had one of `outcomes`; without any, `accepted`."""
    wanted = outcomes or ("accepted",)
    return {each.txid: each for each in sent if each.moved_sat >= least_sat and each.outcome in wanted}


def whales_that_existed(node: Bitcoind, sent: Iterable[Sent], above_height: int, least_sat: int) -> set[str]:
    """Return txids of all whales that anybody could have seen: those bitcoind accepted, and those of its blocks."""
    return whales(sent, least_sat).keys() | whales_in_chain(node, above_height, least_sat).keys()


def moved_sat(node: Bitcoind, transaction: dict[str, Any]) -> int:
    """Return what goes to scripts that are not among those of the inputs; nothing for a coinbase.

    Args:
        node: Has an index of all transactions.
        transaction: As `getrawtransaction` describes it.
    """
    if "coinbase" in transaction["vin"][0]:
        return 0
    spent_scripts = set()
    for spent in transaction["vin"]:
        parent = node.call("getrawtransaction", spent["txid"], 1)
        spent_scripts.add(parent["vout"][spent["vout"]]["scriptPubKey"]["hex"])
    moved = 0
    for output in transaction["vout"]:
        if output["scriptPubKey"]["hex"] not in spent_scripts:
            moved += round(output["value"] * _SAT_PER_BTC)
    return moved


def whales_in_chain(node: Bitcoind, above_height: int, least_sat: int) -> dict[str, int]:
    """Return txid and satoshi moved of the whales in blocks above a height."""
    found: dict[str, int] = {}
    for height in range(above_height + 1, node.call("getblockcount") + 1):
        block = node.call("getblock", node.call("getblockhash", height), 2)
        found.update(_whales_among(node, block["tx"], least_sat))
    return found


def whales_in_mempool(node: Bitcoind, least_sat: int) -> dict[str, int]:
    """Return txid and satoshi moved of the whales that wait."""
    waiting = (node.call("getrawtransaction", txid, 1) for txid in node.call("getrawmempool"))
    return dict(_whales_among(node, waiting, least_sat))


def _whales_among(node: Bitcoind, transactions: Iterable[dict[str, Any]], least_sat: int) -> Iterator[tuple[str, int]]:
    for each in transactions:
        # Most do not even hold so much, and a description of every parent would take long.
        if sum(output["value"] for output in each["vout"]) * _SAT_PER_BTC >= least_sat - 1:
            moved = moved_sat(node, each)
            if moved >= least_sat:
                yield each["txid"], moved

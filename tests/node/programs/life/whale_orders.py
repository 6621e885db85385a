"""The orders that are about whales: as words of the command line, and carried out."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.node.programs.life.record import moved_sat
from tests.node.programs.life.shapes import SHAPES
from tests.node.programs.life.spending import SAT_PER_BTC
from tests.node.programs.life.transaction import Transaction
from tests.node.programs.life.whales import Whales

if TYPE_CHECKING:
    _Parsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

_LEAST_BTC, _MOST_BTC, _USUAL_BTC = 1.0, 100_000.0, 150.0
_MOST_AT_ONCE, _MOST_TAKEN_BACK = 5000, 20

Order = dict[str, Any]


class OrderError(Exception):
    """An order that makes no sense; the message says what would."""


def add_whale_orders(orders: _Parsers) -> None:
    """Let the command line say these orders too."""
    whale = orders.add_parser("whale", help="send one transaction that moves so many bitcoin and more")
    whale.add_argument("btc", type=float, nargs="?", default=_USUAL_BTC)
    whale.add_argument("--shape", choices=SHAPES, default="transfer", help="how it looks, and which way it goes")
    burst = orders.add_parser("burst", help="send so many whales at once; where coins run out they spend each other")
    burst.add_argument("count", type=int)
    burst.add_argument("btc", type=float, nargs="?", default=_USUAL_BTC)
    for name, told in (
        ("bump", "replace a whale, the newest or the one named, by one that pays more"),
        ("cancel", "replace a whale by what gives nearly all of it back"),
        ("pay-for", "send a child that pays for a whale"),
        ("conflict", "mine a block whose only transaction spends what a whale spends"),
    ):
        orders.add_parser(name, help=told).add_argument("txid", nargs="?", default="")
    unseen = orders.add_parser("unseen", help="mine a block with a whale that was never in the mempool")
    unseen.add_argument("btc", type=float, nargs="?", default=_USUAL_BTC)
    reorganise = orders.add_parser("reorganise", help="take back so many blocks, and mine one more than those")
    reorganise.add_argument("blocks", type=int, nargs="?", default=1)


def whale_orders(whales: Whales) -> dict[str, Callable[[Order], dict[str, Any]]]:
    """Return what carries out each of these orders."""

    def burst(order: Order) -> dict[str, Any]:
        count = _count(order.get("count"), _MOST_AT_ONCE, "whales can be sent at once")
        return {"txids": [each.txid for each in whales.burst(count, _value_sat(order))]}

    def reorganise(order: Order) -> dict[str, Any]:
        return {
            "hashes": whales.reorganise(_count(order.get("blocks", 1), _MOST_TAKEN_BACK, "blocks can be taken back"))
        }

    return {
        "whale": lambda order: _told(whales.send(_value_sat(order), _shape(order))),
        "burst": burst,
        "bump": lambda order: _told(whales.bump(_txid(order))),
        "cancel": lambda order: _told(whales.cancel(_txid(order))),
        "pay-for": lambda order: _told(whales.pay_for(_txid(order))),
        "conflict": lambda order: _told(whales.conflict(_txid(order))),
        "unseen": lambda order: _told(whales.mine_unseen(_value_sat(order))),
        "reorganise": reorganise,
    }


def _told(made: Transaction) -> dict[str, Any]:
    return {"txid": made.txid, "moved_btc": moved_sat(made) / SAT_PER_BTC, "vsize_vb": made.vsize_vb}


def _value_sat(order: Order) -> int:
    btc = float(order.get("btc", _USUAL_BTC))
    if not _LEAST_BTC <= btc <= _MOST_BTC:
        raise OrderError(f"a whale moves {_LEAST_BTC:g} to {_MOST_BTC:g} BTC")
    return round(btc * SAT_PER_BTC)


def _shape(order: Order) -> str:
    shape = str(order.get("shape", "transfer"))
    if shape not in SHAPES:
        raise OrderError(f"the shapes are {', '.join(SHAPES)}")
    return shape


def _txid(order: Order) -> str:
    txid = str(order.get("txid", ""))
    if txid and (len(txid) != 64 or not all(digit in "0123456789abcdef" for digit in txid)):
        raise OrderError("a txid is 64 digits of 0 to f, or left out for the newest whale")
    return txid


def _count(given: object, most: int, what: str) -> int:
    count = int(str(given))
    if not 1 <= count <= most:
        raise OrderError(f"1 to {most} {what}")
    return count

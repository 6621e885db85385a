"""`life`: the generator itself (`serve`), and the orders for it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.node.programs.bitcoind_rpc import RpcError, UnreachableError
from tests.node.programs.demonstration import Demonstration
from tests.node.programs.life.control import ControlSocket, ask
from tests.node.programs.life.exchanges import labels
from tests.node.programs.life.pace import Pace
from tests.node.programs.life.record import Record
from tests.node.programs.life.service import Service
from tests.node.programs.life.whale_orders import add_whale_orders

_SOCKET = Path(os.environ.get("LIFE_SOCKET", "/run/life/control.sock"))
_STATUS_SECONDS, _ORDER_SECONDS = 10.0, 300.0


def main(words: list[str]) -> int:
    """Do what `words` say; return 0, or 1 when the generator could not or is not ready."""
    asked = vars(parser().parse_args(words))
    as_json = asked.pop("json")
    if asked["do"] == "serve":
        serve()
        return 0
    if asked["do"] == "exchanges":
        return show_exchanges()
    try:
        answer = ask(_SOCKET, asked, _STATUS_SECONDS if asked["do"] == "status" else _ORDER_SECONDS)
    except PermissionError:
        answer = {"error": "only root may give orders; use sudo"}
    except (OSError, ValueError):
        answer = {"error": "life.service does not answer; `journalctl --unit life` tells more"}
    show(answer, as_json=as_json)
    return int("error" in answer or answer.get("ready") is False)


def parser() -> argparse.ArgumentParser:
    """Return what the command line may say."""
    top = argparse.ArgumentParser(prog="life", description="Payments, whales and blocks on the demonstration's chain.")
    top.add_argument("--json", action="store_true", help="print the answer as JSON")
    orders = top.add_subparsers(dest="do", required=True, metavar="ORDER")
    orders.add_parser("status", help="height and coins; fails until the chain has its history")
    orders.add_parser("price", help="the true price, now and over the last 144 blocks below the tip")
    orders.add_parser("stop", help="no payments and no blocks until `start`")
    orders.add_parser("start", help="go on")
    speed = orders.add_parser("speed", help="payments and blocks so many times as often as normal")
    speed.add_argument("factor", type=float, nargs="?")
    mine = orders.add_parser("mine", help="mine now")
    mine.add_argument("blocks", type=int, nargs="?", default=1)
    add_whale_orders(orders)
    orders.add_parser("exchanges", help="the addresses of its exchanges, as CSV for `utxoracle labels import`")
    orders.add_parser(
        "serve", help="be the generator, as LIFE_PAYMENTS, LIFE_BLOCK_SECONDS … say; the service life does this"
    )
    for order in orders.choices.values():
        order.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print the answer as JSON")
    return top


def serve() -> None:
    """Live until ended."""
    world = Demonstration.of_environment()
    service = Service(world.rpc(), world.seed, world.price(), Pace.of_environment(), Record.of_environment())
    service.run(ControlSocket(_SOCKET))


def show_exchanges() -> int:
    """Print the labels of the exchanges; the service is not needed, only its bitcoind."""
    world = Demonstration.of_environment()
    try:
        print(labels(world.rpc(), world.seed))
    except (RpcError, UnreachableError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def show(answer: dict[str, Any], *, as_json: bool) -> None:
    """Print an answer: as JSON, or one line for each part."""
    if as_json:
        print(json.dumps(answer))
    elif "error" in answer:
        sys.stderr.write(f"{answer['error']}\n")
    else:
        for name, value in answer.items():
            print(f"{name.replace('_', ' ')}: {value}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

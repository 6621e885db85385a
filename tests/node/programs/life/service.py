"""The generator as a service: it makes the history, keeps the present going, and obeys."""

from __future__ import annotations

import math
import time
from typing import Any

from tests.node.programs.bitcoind_rpc import BitcoindRpc, RpcError, UnreachableError
from tests.node.programs.life import history
from tests.node.programs.life.control import ControlSocket
from tests.node.programs.life.pace import Pace
from tests.node.programs.life.present import Present
from tests.node.programs.life.record import Record
from tests.node.programs.life.spending import WINDOW_BLOCKS
from tests.node.programs.life.whale_orders import OrderError, whale_orders
from tests.node.programs.life.whales import NoCoinsError
from tests.node.programs.price_path import PricePath

_STEP_SECONDS = 0.2
_AGAIN_SECONDS = 0.5
_MOST_MINED_AT_ONCE = 1000
_FASTEST, _SLOWEST = 100.0, 0.01


class Service:
    """One generator for one bitcoind.

    Args:
        rpc: That bitcoind.
        seed: Of scripts, history and present.
        price: The true price.
        pace: Payments and blocks at speed 1.
        record: Where whales are written down, if they are.
    """

    def __init__(self, rpc: BitcoindRpc, seed: int, price: PricePath, pace: Pace, record: Record | None = None) -> None:
        self._rpc = rpc
        self._seed = seed
        self._price = price
        self._pace = pace
        self._present = Present(rpc, seed, price, pace, record)
        self._ready = False
        self._running = True
        self._speed = 1.0
        self._next_block = math.inf
        self._problem = "it has just started"

    def run(self, control: ControlSocket) -> None:
        """Live for ever; when bitcoind is away, wait for it."""
        while True:
            try:
                self.prepare()
                self._live(control)
            except (UnreachableError, RpcError) as error:
                if self._problem != str(error):
                    print(f"waiting: {error}", flush=True)
                self._ready, self._problem = False, str(error)
                control.answer(self.obey, time.monotonic() + _AGAIN_SECONDS)

    def prepare(self) -> None:
        """Give the chain its history unless it has one, and find the coins."""
        height = self._rpc.call("getblockcount")
        if height < history.BLOCKS:
            if height:
                # A history that was interrupted; its blocks would be too old by now.
                self._rpc.call("invalidateblock", self._rpc.call("getblockhash", 1))
            started = time.monotonic()
            history.History(self._rpc, self._seed, self._price, self._pace.past_payments, time.time()).make()
            print(f"history: {history.BLOCKS} blocks in {time.monotonic() - started:.1f} s", flush=True)
        if not self._rpc.call("getmempoolinfo")["loaded"]:
            # What it has yet to load spends coins that seem to be free.
            raise UnreachableError("bitcoind still loads its mempool")
        self._present.send_again()
        self._present.recover(time.time())
        self._ready, self._problem = True, ""
        self._plan_block()
        print(f"present: height {self._present.ledger.tip}, {len(self._present.ledger.purse)} coins", flush=True)

    def step(self, seconds: float) -> None:
        """Live through `seconds` that have just passed."""
        if not self._running:
            return
        self._present.pay(seconds * self._speed * self._pace.payments / self._pace.block_seconds, time.time())
        if time.monotonic() >= self._next_block:
            self._mine()
            self._plan_block()

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Carry out one order; return what to show, or `error` with a sentence."""
        orders = {
            "status": self._status,
            "speed": self._set_speed,
            "stop": self._stop,
            "start": self._start,
            "mine": self._mine_some,
            "price": self._true_price,
        } | whale_orders(self._present.whales)
        if not self._ready and order.get("do") != "status":
            return {"error": f"the chain is not ready: {self._problem}"}
        carry_out = orders.get(str(order.get("do")))
        if carry_out is None:
            return {"error": f"the orders are {', '.join(orders)}"}
        try:
            return carry_out(order)
        except (OrderError, NoCoinsError, RpcError, UnreachableError) as error:
            return {"error": str(error)}
        except (TypeError, ValueError, OverflowError):
            return {"error": f"{order['do']} takes a number"}

    def _live(self, control: ControlSocket) -> None:
        last = time.monotonic()
        while True:
            control.answer(self.obey, last + _STEP_SECONDS)
            now = time.monotonic()
            # After a long order or a suspended machine nobody catches up on payments.
            self.step(min(now - last, 5 * _STEP_SECONDS))
            last = now

    def _mine(self) -> None:
        block = self._present.mine()
        sent = ", ".join(f"{kind} {count}" for kind, count in sorted(self._present.counts.items()))
        self._present.counts.clear()
        ledger = self._present.ledger
        print(
            f"block {block['height']}: {block['nTx'] - 1} transactions of {block['weight']} wu; waiting "
            f"{len(ledger.pending)}; coins {len(ledger.purse)}; sent since the last: {sent or 'nothing'}",
            flush=True,
        )

    def _plan_block(self) -> None:
        wait_seconds = self._pace.wait_seconds(self._seed, self._present.ledger.tip + 1)
        self._next_block = time.monotonic() + wait_seconds / self._speed

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        if not self._ready:
            return {"ready": False, "problem": self._problem}
        return {
            "ready": True,
            "running": self._running,
            "speed": self._speed,
            "height": self._present.ledger.tip,
            "waiting": len(self._present.ledger.pending),
            "coins": len(self._present.ledger.purse),
        }

    def _set_speed(self, order: dict[str, Any]) -> dict[str, Any]:
        if order.get("factor") is not None:
            factor = float(order["factor"])
            if not _SLOWEST <= factor <= _FASTEST:
                raise OrderError(f"a speed lies between {_SLOWEST:g} and {_FASTEST:g}")
            self._speed = factor
            self._plan_block()
        return {
            "speed": self._speed,
            "payments_a_second": self._speed * self._pace.payments / self._pace.block_seconds,
            "seconds_a_block": self._pace.block_seconds / self._speed,
        }

    def _stop(self, order: dict[str, Any]) -> dict[str, Any]:
        self._running = False
        return self._status(order)

    def _start(self, order: dict[str, Any]) -> dict[str, Any]:
        self._running = True
        self._plan_block()
        return self._status(order)

    def _mine_some(self, order: dict[str, Any]) -> dict[str, Any]:
        count = int(order.get("blocks", 1))
        if not 1 <= count <= _MOST_MINED_AT_ONCE:
            raise OrderError(f"1 to {_MOST_MINED_AT_ONCE} blocks can be mined at once")
        for _ in range(count):
            self._mine()
        return {"mined": count, "height": self._present.ledger.tip}

    def _true_price(self, _: dict[str, Any]) -> dict[str, Any]:
        tip = self._rpc.call("getblockcount")
        heights = range(tip - WINDOW_BLOCKS, tip)
        hashes = self._rpc.batch("getblockhash", [(height,) for height in heights])
        headers = self._rpc.batch("getblockheader", [(each,) for each in hashes])
        times = [header["time"] for header in headers if not isinstance(header, RpcError)]
        return {
            "now_usd": round(self._price.usd_at(time.time()), 2),
            "window_usd": round(self._price.mean_usd(times), 2),
            "first_height": heights[0],
            "last_height": heights[-1],
        }

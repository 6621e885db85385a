"""A real bitcoind on whose chain the generator lives, as fast as the machine can: its clock is the test's."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.adapters.bitcoind import block_source
from app.services.onchain_price import OnchainPrice, estimate_recent
from tests.node.bitcoind import Bitcoind, regtest_bitcoind
from tests.node.programs.life.history import History
from tests.node.programs.life.ledger import Ledger
from tests.node.programs.life.pace import Pace
from tests.node.programs.life.present import Present
from tests.node.programs.life.purse import Purse
from tests.node.programs.life.record import Record
from tests.node.programs.life.scripts import Scripts
from tests.node.programs.life.transaction import Coin
from tests.node.programs.price_path import PricePath

SAT_PER_BTC = 100_000_000
PAYMENTS = 100
BLOCK_SECONDS = 600
# The same each time, so that the whole chain is.
STARTED = 1_750_000_000.0
# As on the demonstration's node: blocks a little smaller than the demand, so that there is a backlog.
CROWDED = "-blockmaxweight=110000"


@dataclass
class LivelyChain:
    """The generator and its bitcoind, with a history of `payments` a block that ends at `now`.

    Attributes:
        pace: What goes on; without it that of `payments`.
        record: Where whales are written down, if they are.
        is_in_real_time: bitcoind has the machine's clock, and not the test's.
    """

    node: Bitcoind
    seed: int = 1
    price_usd: float = 97_000.0
    payments: int = PAYMENTS
    now: float = STARTED
    pace: Pace | None = None
    record: Record | None = None
    is_in_real_time: bool = False

    def __post_init__(self) -> None:
        self.price = PricePath(self.seed, self.price_usd)
        self.pace = self.pace or Pace(self.payments)
        self.payments = self.pace.payments
        History(self.node.rpc, self.seed, self.price, self.pace.past_payments, self.now).make()
        self.present = self.newcomer()

    def newcomer(self) -> Present:
        """Return a generator that has just started on this chain."""
        present = Present(self.node.rpc, self.seed, self.price, self.pace or Pace(self.payments), self.record)
        present.recover(self.now)
        return present

    def pay(self, wanted: int) -> None:
        """Send about `wanted` transactions, a few at a time."""
        for _ in range(8):
            self.present.pay(wanted / 8, self.now)

    def live(self, blocks: int) -> Iterator[dict[str, Any]]:
        """Pay and mine; yield each block as `getblock` describes it."""
        for _ in range(blocks):
            self.pay(self.payments)
            yield self.mine(BLOCK_SECONDS)

    def mine(self, after_seconds: float) -> dict[str, Any]:
        """Let time pass, then mine a block; return it as `getblock` describes it. Real time passes by itself."""
        if self.is_in_real_time:
            self.now = time.time()
        else:
            self.now += after_seconds
            self.node.call("setmocktime", int(self.now))
        return self.present.mine()

    def refusals(self) -> list[str]:
        """Return why bitcoind refused transactions, if it did."""
        return [kind for kind in self.present.counts if kind.startswith("refused")]

    def estimate(self) -> OnchainPrice:
        """Return what the appliance makes of the newest blocks."""
        return estimate_recent(block_source(self.node.rpc_url, self.node.cookie), "regtest")

    def true_usd(self, estimate: OnchainPrice) -> float:
        """Return the mean of the true prices at the times of the estimate's blocks."""
        heights = range(estimate.first_height, estimate.last_height + 1)
        return self.price.mean_usd(self.header(height)["time"] for height in heights)

    def header(self, height: int) -> dict[str, Any]:
        found: dict[str, Any] = self.node.call("getblockheader", self.node.call("getblockhash", height))
        return found

    def waiting(self) -> dict[str, dict[str, Any]]:
        """Return the mempool as bitcoind describes it."""
        entries: dict[str, dict[str, Any]] = self.node.call("getrawmempool", True)  # noqa: FBT003 - JSON-RPC has no names
        return entries

    def transaction(self, txid: str) -> dict[str, Any]:
        found: dict[str, Any] = self.node.call("getrawtransaction", txid, 1)
        return found

    def outpoints(self, txid: str) -> set[tuple[str, int]]:
        """Return what a transaction spends."""
        return {(spent["txid"], spent["vout"]) for spent in self.transaction(txid)["vin"]}

    def moved_btc(self, transaction: dict[str, Any]) -> float:
        """Return what goes to scripts that are not among the inputs', the coinbase aside."""
        if "coinbase" in transaction["vin"][0]:
            return 0
        parents = [(self.transaction(spent["txid"])["vout"], spent["vout"]) for spent in transaction["vin"]]
        spent = {outputs[number]["scriptPubKey"]["hex"] for outputs, number in parents}
        moved: float = sum(each["value"] for each in transaction["vout"] if each["scriptPubKey"]["hex"] not in spent)
        return moved

    def whales(self, transactions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return those of `transactions` that move 100 BTC or more."""
        large = [each for each in transactions if sum(output["value"] for output in each["vout"]) >= 100]
        return [each for each in large if self.moved_btc(each) >= 100]

    def free_coins(self) -> list[Coin]:
        """Return, sorted, the coins that the generator thinks it may spend."""
        return sorted(self.present.ledger.purse)

    def truly_free_coins(self) -> list[Coin]:
        """Return, sorted, the coins that bitcoind thinks so of."""
        ledger = Ledger(self.node.rpc, Scripts(self.seed), Purse(random.Random(0)))
        ledger.recover()
        return sorted(ledger.purse)


@contextmanager
def lively_chain(directory: Path, **world: Any) -> Iterator[LivelyChain]:
    """Start a bitcoind in `directory`, give it a history, and end it afterwards; `world` is as of LivelyChain."""
    with regtest_bitcoind(directory, extra=(CROWDED, f"-mocktime={STARTED:.0f}")) as node:
        yield LivelyChain(node, **world)

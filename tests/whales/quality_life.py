"""Life on a real chain as some demand wants it, and what the node's template says of each payment as it is sent."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.node.bitcoind import Bitcoind
from tests.node.lively_chain import LivelyChain
from tests.node.programs.life.pace import Pace

# In what a block holds there is room for about forty payments; 8,000 units of it are reserved for the coinbase.
BLOCK_WEIGHT = 63_000
PACE = Pace(payments=30, block_seconds=0.7, share_whales=0.4, whale_btc=(1, 2))
_STEP_SECONDS = 0.05
# After a delay of the machine nobody catches up on payments.
_LONGEST_STEP_SECONDS = 0.5
# As many as the detector learns the pace from.
_PAST_BLOCKS = 26
# Asked for its usual template, bitcoind gives the same one for five seconds; for another one, it makes it.
_FRESH = {"rules": ["segwit"], "blockmaxweight": BLOCK_WEIGHT - 4}


@dataclass(frozen=True)
class Demand:
    """How much people want of blocks.

    Attributes:
        name: For people.
        load: By the number of the block to come: as a share of `PACE.payments`.
    """

    name: str
    load: Callable[[int], float]


ROOMY = Demand("room in most blocks", lambda _: 0.6)
BUSY = Demand("a backlog now and then", lambda _: 0.8)
CROWDED = Demand("always a backlog", lambda _: 1.1)
WAVES = Demand("waves", lambda block: 0.8 + 0.4 * math.sin(block / 6))
DEMANDS = (ROOMY, BUSY, CROWDED, WAVES)


class Life:
    """A generator of payments and whales, and a miner who fills blocks by feerate; both live in real time.

    Args:
        node: Its chain is empty, and its blocks have BLOCK_WEIGHT.
        demand: How much people pay.
        seed: Of all chances but the machine's.

    Attributes:
        naive: For each payment, by txid, the block that the node's template promised when it was sent: the next one if
            it was in the template, else the one after it.
    """

    def __init__(self, node: Bitcoind, demand: Demand, seed: int) -> None:
        self.naive: dict[str, int] = {}
        self._node = node
        self._demand = demand
        self._chance = random.Random(f"{demand.name}/{seed}")  # noqa: S311 - to be the same each time
        self._chain = LivelyChain(node, seed, pace=PACE, now=time.time(), is_in_real_time=True)
        self._blocks = 0
        self._make_past()

    @property
    def height(self) -> int:
        """Of the tip."""
        height: int = self._node.call("getblockcount")
        return height

    @property
    def tip(self) -> str:
        """Its hash."""
        block_hash: str = self._node.call("getbestblockhash")
        return block_hash

    def live(self) -> None:
        """Let people pay until a block is due, and mine it."""
        due = time.monotonic() + self._wait_seconds()
        last = time.monotonic()
        while last < due:
            time.sleep(min(_STEP_SECONDS, due - last))
            now = time.monotonic()
            self._pay(min(now - last, _LONGEST_STEP_SECONDS))
            last = now
        self._chain.mine(0)
        self._blocks += 1

    def end(self) -> None:
        """Mine all that waits."""
        while self._node.call("getmempoolinfo")["size"]:
            self._chain.mine(0)

    def _pay(self, seconds: float) -> None:
        payments = seconds * self._demand.load(self._blocks) * PACE.payments / PACE.block_seconds
        self._chain.present.pay(payments, time.time())
        new = {each.txid for each in self._chain.present.ledger.pending.values()} - self.naive.keys()
        if new:
            template = self._node.call("getblocktemplate", _FRESH)
            held = {each["txid"] for each in template["transactions"]}
            self.naive.update({txid: template["height"] + (txid not in held) for txid in new})

    def _wait_seconds(self) -> float:
        return PACE.block_seconds * min(self._chance.expovariate(1), PACE.longest_wait)

    def _make_past(self) -> None:
        """Mine blocks that seem to have come at this pace, for whoever wants to learn it."""
        waits = [self._wait_seconds() for _ in range(_PAST_BLOCKS)]
        at = time.time() - sum(waits)
        for wait in waits:
            at += wait
            self._node.call("setmocktime", int(at))
            self._chain.mine(0)
        self._node.call("setmocktime", 0)

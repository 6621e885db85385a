"""What people do with whales and blocks, chosen by chance, on a bitcoind that may go away at any moment."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

from tests.node.lively_chain import LivelyChain
from tests.node.programs.bitcoind_rpc import RpcError
from tests.node.programs.life.shapes import SHAPES
from tests.node.programs.life.whales import NoCoinsError

# What one in so many acts is.
_WHALE_ACTS = {"whale": 10, "burst": 2, "bump": 6, "cancel": 2, "child": 3}
_BLOCK_ACTS = {"block": 5, "unseen": 1, "conflict": 1, "reorganisation": 1}
# Of ordinary blocks for each of the others, where there is much else in them.
_BLOCKS_AN_ACT = 15
_MOST_AT_ONCE = 8
_MOST_TAKEN_BACK = 3
# As a wallet does when the node has lost its mempool; the others forget.
_SHARE_SENT_AGAIN = 0.7


class Traffic:
    """Acts, one after the other.

    Args:
        life: The chain.
        chance: All that is random.
        whale_sat: The least that a whale moves.

    Attributes:
        acts: How many of each kind were done.
    """

    def __init__(self, life: LivelyChain, chance: random.Random, whale_sat: int) -> None:
        self.acts: Counter[str] = Counter()
        self._life = life
        self._chance = chance
        self._whale_sat = whale_sat
        self._do: dict[str, Callable[[], object]] = {
            "whale": lambda: life.present.whales.send(self._value_sat(), chance.choice(SHAPES)),
            "burst": lambda: life.present.whales.burst(chance.randint(2, _MOST_AT_ONCE), whale_sat),
            "bump": lambda: life.present.whales.bump(self._waiting()),
            "cancel": lambda: life.present.whales.cancel(self._waiting()),
            "child": lambda: life.present.whales.pay_for(self._waiting(), with_largest=chance.random() < 1 / 2),
            "block": lambda: life.mine(0),
            "unseen": lambda: life.present.whales.mine_unseen(self._value_sat()),
            "conflict": lambda: life.present.whales.conflict(self._waiting()),
            "reorganisation": lambda: life.present.whales.reorganise(chance.randint(1, _MOST_TAKEN_BACK)),
        }

    def pay(self, wanted: float) -> None:
        """Send about so many transactions, hardly any of them whales; may raise UnreachableError."""
        self._life.present.pay(wanted, time.time())

    def act(self, *, with_blocks: bool = True) -> None:
        """Do something about whales or blocks, or about nothing but whales; may raise UnreachableError."""
        self._try(self._one_of(_WHALE_ACTS | (_BLOCK_ACTS if with_blocks else {})))

    def act_on_blocks(self) -> None:
        """Mine, mostly, or do something about blocks; may raise UnreachableError."""
        self._try(self._one_of(_BLOCK_ACTS | {"block": _BLOCKS_AN_ACT}))

    def come_back(self) -> None:
        """Go on with a bitcoind that was away, and may have lost its mempool; may raise UnreachableError."""
        if self._chance.random() < _SHARE_SENT_AGAIN:
            self._life.present.send_again()
        self._life.present.recover(time.time())

    def _one_of(self, acts: dict[str, int]) -> str:
        (name,) = self._chance.choices(list(acts), list(acts.values()))
        return name

    def _try(self, name: str) -> None:
        try:
            self._do[name]()
        except (NoCoinsError, RpcError):
            # Not every idea can be carried out at every moment.
            name = f"{name} in vain"
        self.acts[name] += 1

    def _value_sat(self) -> int:
        return int(self._whale_sat * self._chance.uniform(1, 3))

    def _waiting(self) -> str:
        """Return the txid of one of the whales that wait, or nothing for the newest."""
        large = [
            each.txid
            for each in self._life.present.ledger.pending.values()
            if each.spent_by_child is None and sum(output.value_sat for output in each.outputs) >= self._whale_sat
        ]
        return self._chance.choice(large) if large else ""

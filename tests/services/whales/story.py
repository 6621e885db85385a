"""What a node and its users may do, drawn by hypothesis, and what must be true of a detector after any of it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.fakes.whale_chain import FIRST_HEIGHT
from tests.fakes.whale_transactions import BTC, Coin, Sent, pay
from tests.fakes.whale_watch import Watch

# Which of several, whatever their number is.
picks = st.integers(0, 99)
some_picks = st.lists(picks, max_size=3)
# Few wait at a time.
places = st.lists(st.integers(0, 3), max_size=3)
paid_btc = st.sampled_from([5, 60, 100, 140])
_FIRST_FEE_SAT = 1_000
_COINS = 4
_FEW = 8


class Story(RuleBasedStateMachine):
    """Users pay, replace and send again; the node evicts, mines and reorganises."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = Watch()
        self.node = self.watch.node
        self.coins = [self.watch.coin(150 + number) for number in range(_COINS)]
        self.sent: list[Sent] = []
        self._fee_sat = _FIRST_FEE_SAT
        self.watch.start()
        self.happened()

    def happened(self) -> None:
        """Something did; called after each rule."""

    @rule(coin=picks, btc=paid_btc)
    def pay(self, coin: int, btc: int) -> None:
        self._send(self._payment([self._coin(coin)], btc))

    @rule(coins=st.lists(picks, min_size=2, max_size=3), btc=paid_btc)
    def pay_from_several(self, coins: list[int], btc: int) -> None:
        chosen = list({coin.outpoint: coin for coin in map(self._coin, coins)}.values())
        self._send(self._payment(chosen, btc))

    @precondition(lambda self: self.sent)
    @rule(which=picks, btc=paid_btc)
    def replace(self, which: int, btc: int) -> None:
        self._send(self._payment(self._one_sent(which).coins, btc))

    @precondition(lambda self: self.sent)
    @rule(which=picks)
    def send_again(self, which: int) -> None:
        self._send(self._one_sent(which))

    @precondition(lambda self: self.node.pool.transactions)
    @rule(which=picks)
    def evict(self, which: int) -> None:
        waiting = self.node.pool.transactions
        self.node.evict(waiting[which % len(waiting)])
        self.happened()

    @rule(left_out=places, strangers=some_picks, btc=paid_btc)
    def mine(self, left_out: list[int], strangers: list[int], btc: int) -> None:
        self.node.mine(*self._chosen(left_out, strangers, btc))
        self.happened()

    @precondition(lambda self: self.node.chain.tip.block.height > FIRST_HEIGHT + 2)
    @rule()
    def take_back(self) -> None:
        self.node.take_back()
        self.happened()

    @precondition(lambda self: self.node.chain.tip.block.height > FIRST_HEIGHT + 4)
    @rule(depth=st.integers(1, 2), more=st.booleans(), left_out=places, strangers=some_picks, btc=paid_btc)
    def reorganise(self, depth: int, more: bool, left_out: list[int], strangers: list[int], btc: int) -> None:  # noqa: FBT001
        left = [each for tip in self.node.chain.active[-depth:] for each in self.node.chain.blocks[tip].transactions]
        kept = [each for number, each in enumerate(left) if number not in left_out]
        chosen = [*self._chosen([], strangers, btc), *kept]
        blocks: list[Sequence[Sent]] = [chosen, *([()] * depth), *([()] if more else [])]
        self.node.reorganise(depth, blocks)
        self.happened()

    def _coin(self, which: int) -> Coin:
        """Return one of the first coins, or an output of whatever was sent, that no block has spent."""
        coins = [*self.coins, *(each.coin(vout) for each in self.sent for vout in range(len(each.outputs)))]
        unspent = self.node.chain.unspent
        there = [each for each in coins if each.outpoint in unspent or each.outpoint.txid in self.node.pool]
        return there[which % len(there)]

    def _one_sent(self, which: int) -> Sent:
        """Return one of the last few that were sent: those to which something may still happen."""
        few = self.sent[-_FEW:]
        return few[which % len(few)]

    def _payment(self, coins: Sequence[Coin], btc: int) -> Sent:
        """Return a payment of so much or of all there is, at a higher fee than any before."""
        self._fee_sat += 1_000
        total_sat = sum(coin.value_sat for coin in coins) - self._fee_sat
        paid_sat = min(btc * BTC, total_sat)
        change = [(total_sat - paid_sat, coins[0].script)] if total_sat > paid_sat else []
        return pay(coins, [(paid_sat, self.watch.script()), *change])

    def _send(self, transaction: Sent) -> None:
        self.node.send(transaction)
        if transaction not in self.sent:
            self.sent.append(transaction)
        self.happened()

    def _chosen(self, left_out: list[int], strangers: list[int], btc: int) -> list[Sent]:
        """Return what a miner may put into a block: most of what waits, and what never was in our mempool."""
        foreign = [self._payment([self._coin(each)], btc) if each % 2 else None for each in strangers]
        again = [self._one_sent(each) for each in strangers if self.sent and not each % 2]
        waiting = [each for number, each in enumerate(self.node.pool.transactions) if number not in left_out]
        new = [each for each in foreign if each is not None]
        self.sent += new
        return [*again, *new, *waiting]

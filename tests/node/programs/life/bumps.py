"""Paying more for what waits: in its place, or by a child of it."""

from __future__ import annotations

from tests.node.programs.life.scripts import Scripts
from tests.node.programs.life.spending import Spending
from tests.node.programs.life.transaction import Coin, Output, Transaction, build

_DUST_SAT = 2000
# bitcoind takes no chain of more than 25.
MOST_DEPTH = 20


class Bumps:
    """Makes transactions out of others that wait.

    Args:
        scripts: Where the coins lie.
        spending: Chooses scripts.
    """

    def __init__(self, scripts: Scripts, spending: Spending) -> None:
        self._scripts = scripts
        self._spending = spending

    def replacement(
        self, base: Transaction, *, of_largest: bool = True, keep_sat: int | None = None
    ) -> Transaction | None:
        """Return what spends the same coins and pays more; None when that cannot be.

        Args:
            base: Waits, and nothing spends it yet.
            of_largest: The largest output pays the higher fee, rather than the smallest that can.
            keep_sat: Move only so much, and give the rest back to the script of the first coin.
        """
        fee = raised_fee_sat(base)
        if base.spent_by_child is not None:
            return None
        outputs = (
            self._poorer(base, fee, of_largest=of_largest) if keep_sat is None else self._returned(base, fee, keep_sat)
        )
        if outputs is None:
            return None
        made = build(self._scripts, "replacement", base.coins, outputs, fee)
        made.depth = base.depth
        return made

    def child(self, base: Transaction, *, of_largest: bool = True) -> Transaction | None:
        """Return what spends one output of `base` and pays for both; None when that cannot be.

        Args:
            base: Waits, and nothing spends it yet.
            of_largest: Spend the largest output rather than the smallest that can pay.
        """
        fee = raised_fee_sat(base)
        coin = self._payer(base, fee, of_largest=of_largest)
        if coin is None or base.depth >= MOST_DEPTH:
            return None
        outputs = [Output(coin.value_sat - fee, self._spending.script({coin.script}))]
        child = build(self._scripts, "child", [coin], outputs, fee)
        child.depth = base.depth + 1
        base.spent_by_child = coin.vout
        return child

    @staticmethod
    def _poorer(base: Transaction, fee: int, *, of_largest: bool) -> list[Output] | None:
        extra = fee - base.fee_sat
        able = [(output, vout) for vout, output in enumerate(base.outputs) if output.value_sat >= extra + _DUST_SAT]
        ours = [(output, vout) for output, vout in able if isinstance(output.script, int)]
        if not ours:
            return None
        payer, vout = max(ours) if of_largest else min(ours)
        outputs = list(base.outputs)
        outputs[vout] = Output(payer.value_sat - extra, payer.script)
        return outputs

    def _returned(self, base: Transaction, fee: int, keep_sat: int) -> list[Output] | None:
        rest = sum(coin.value_sat for coin in base.coins) - keep_sat - fee
        if rest < _DUST_SAT:
            return None
        own = base.coins[0].script
        return [Output(keep_sat, self._spending.script({coin.script for coin in base.coins})), Output(rest, own)]

    @staticmethod
    def _payer(base: Transaction, fee: int, *, of_largest: bool) -> Coin | None:
        if base.spent_by_child is not None:
            return None
        able = [coin for coin in base.coins_made(0) if coin.value_sat >= fee + _DUST_SAT]
        return (max if of_largest else min)(able, key=lambda coin: coin.value_sat, default=None)


def raised_fee_sat(base: Transaction) -> int:
    """Return a fee that takes a transaction of the size of `base` to at least 20 sat/vB, and bitcoind accepts."""
    return int(max(base.fee_sat * 1.3, base.fee_sat + 2 * base.vsize_vb, 20 * base.vsize_vb))

"""What each block of a chain holds besides its coinbase."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tests.chains.config import Config
from tests.chains.edges import Edge, edge_transactions
from tests.chains.ordinary import KINDS, SHARES, Ordinary, ordinary
from tests.chains.sums import draw_lots
from tests.chains.transactions import Transaction
from tests.chains.wallets import Wallets

_EDGES_AFTER = 7
_EDGES_FROM_END = 5


class Contents(NamedTuple):
    """The transactions of a block; how many pay a round sum of USD; which are edge transactions."""

    transactions: list[Transaction]
    round_usd_payments: int
    edges: list[Edge]


NOTHING = Contents([], 0, [])


def block_contents(
    random: np.random.RandomState, wallets: Wallets, config: Config, at: int, price_usd: float
) -> Contents:
    """Make the contents of the block at position `at`, at a price in USD per BTC.

    One block of the window is empty, and one is without any witness.
    """
    inside = at in config.inside
    is_warm = config.pre - config.warm <= at < config.pre
    is_tip_of_recent = config.mode == "recent" and at == config.total - 1
    if not (inside or is_warm or is_tip_of_recent) or at == config.pre + config.blocks // 3:
        return NOTHING
    made = _ordinary_ones(random, wallets, config, price_usd, legacy_only=at == config.pre + config.blocks // 2)
    transactions = [each.transaction for each in made]
    edges = []
    if config.edge_cases and at - config.pre in (_EDGES_FROM_END, config.blocks - _EDGES_FROM_END):
        edges = edge_transactions(wallets, price_usd)
        transactions[_EDGES_AFTER:_EDGES_AFTER] = [each.transaction for each in edges]
    return Contents(transactions, sum(each.pays_round_usd for each in made), edges)


def _ordinary_ones(
    random: np.random.RandomState, wallets: Wallets, config: Config, price_usd: float, *, legacy_only: bool
) -> list[Ordinary]:
    count = max(1, int(config.txs * (1 + 0.15 * random.standard_normal())))
    kinds = [KINDS[each] for each in random.choice(len(KINDS), count, p=SHARES)]
    if legacy_only:
        kinds = ["legacy"] * count
    lots = draw_lots(random, count, price_usd)
    return [ordinary(wallets, kind, lot, config) for kind, lot in zip(kinds, lots, strict=True)]

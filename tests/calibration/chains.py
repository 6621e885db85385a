"""Which chains the estimate is tried on."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np

from app.domain.blocks.block import MAX_BLOCK_BYTES
from tests.chains import Chain, Config, build

PRICES_USD = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
DAILY_MOVES = (0.0, 0.02, 0.04, 0.08)
SIGNALS = (0.03, 0.30)
_STRATA = 4
TRANSACTIONS = (40, 150, 600, 4_000)

_FIRST_SEED = 20_000
_NEXT_SEED = 1_000_000


def grid() -> list[Config]:
    """Return every combination of price, volatility and size, each with four signals from four parts of their range."""
    cases = itertools.product(TRANSACTIONS, PRICES_USD, DAILY_MOVES, range(_STRATA))
    return [
        Config(seed=seed, mode="recent", price=price, vol=vol, usd_share=_signal(seed, stratum), txs=txs)
        for seed, (txs, price, vol, stratum) in enumerate(cases, start=_FIRST_SEED)
    ]


def possible_chain(config: Config) -> Chain:
    """Make the chain, or one like it in which no block is larger than a node accepts: the generator knows no limit."""
    while True:
        chain = build(config)
        if all(len(block.raw) <= MAX_BLOCK_BYTES for block in chain.window_blocks):
            return chain
        config = replace(config, seed=config.seed + _NEXT_SEED)


def _signal(seed: int, stratum: int) -> float:
    width = (SIGNALS[1] - SIGNALS[0]) / _STRATA
    return SIGNALS[0] + width * (stratum + float(np.random.default_rng(seed).uniform()))


def sample(count: int, first_seed: int = 70_000, most_transactions: int = 400) -> list[Config]:
    """Return chains drawn from the whole range of prices, volatilities and signals, but for small blocks."""
    drawn = []
    for seed in range(first_seed, first_seed + count):
        chance = np.random.default_rng(seed)
        drawn.append(
            Config(
                seed=seed,
                mode="recent",
                price=math.exp(chance.uniform(math.log(PRICES_USD[0]), math.log(PRICES_USD[-1]))),
                vol=float(chance.uniform(DAILY_MOVES[0], DAILY_MOVES[-1])),
                usd_share=float(chance.uniform(SIGNALS[0], SIGNALS[-1])),
                txs=round(math.exp(chance.uniform(math.log(40), math.log(most_transactions)))),
            )
        )
    return drawn

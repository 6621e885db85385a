"""How the price of each block compares with that of the whole window, along a price that moves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from app.domain.price.amounts import window_amounts
from app.domain.price.estimate import estimate_price
from app.domain.price.trusted_price import trusted_price
from tests.chains import Config, build
from tests.fakes.extracts import window_extracts

WINDOW_BLOCKS = 144
EVERY_BLOCKS = 6

DAILY_MOVES = (0.005, 0.01, 0.02, 0.04, 0.08)


@dataclass(frozen=True)
class Movement:
    """Errors from the true price at the newest block, as absolute logarithms, of many windows of one chain."""

    daily_move: float
    at_the_end: list[float]
    over_the_window: list[float]
    published: list[float]


def movement(daily_move: float) -> Movement:
    """Follow a chain of two days, window after window."""
    config = Config(seed=90_000, mode="recent", blocks=2 * WINDOW_BLOCKS, txs=1_000, edge_cases=False)
    # The generator spreads its volatility over all of the blocks.
    chain = build(replace(config, vol=daily_move * math.sqrt(2)))
    end, over, published = [], [], []
    extracts = window_extracts([each.raw for each in chain.window_blocks], chain.window[0])
    true_log_usd = np.log(chain.price_path_usd[chain.config.inside.start : chain.config.inside.stop])
    for last in range(WINDOW_BLOCKS, 2 * WINDOW_BLOCKS, EVERY_BLOCKS):
        amounts = window_amounts(extracts[last - WINDOW_BLOCKS + 1 : last + 1])
        own, true = trusted_price(amounts), true_log_usd[last]
        end.append(abs(math.log(own.price) - true))
        over.append(abs(math.log(own.window_price) - true))
        published.append(abs(math.log(estimate_price(amounts.amounts_btc).price) - true))
    return Movement(daily_move, end, over, published)


def table(movements: list[Movement]) -> Iterator[str]:
    """Yield the lines of the table: median and 90th percentile, in per cent."""
    yield "| volatility | price at the newest block | mean of 144 blocks | published figure of 144 blocks |"
    yield "| --- | --- | --- | --- |"
    for each in movements:
        cells = (_figures(errors) for errors in (each.at_the_end, each.over_the_window, each.published))
        yield f"| {100 * each.daily_move:g} % a day | {' | '.join(cells)} |"


def _figures(errors: list[float]) -> str:
    median, high = np.quantile(errors, (0.5, 0.9)) * 100
    return f"{median:.2f} %, {high:.2f} %"

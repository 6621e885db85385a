"""From a config to its chain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tests.chains.assembly import assemble
from tests.chains.chain import Block, Chain, Fate, Truth
from tests.chains.config import Config
from tests.chains.contents import block_contents
from tests.chains.course import header_times, price_path_usd
from tests.chains.wallets import Wallets
from tests.fakes.blocks import ZERO


def build(config: Config) -> Chain:
    """Make the chain of a config; one of 4000 transactions a block takes some seconds."""
    if config.mode == "recent":
        # The tip itself is not in the window.
        config = replace(config, post=1)
    random = np.random.RandomState(config.seed)
    wallets = Wallets(random, config.same_day)
    times = header_times(random, config)
    path_usd = price_path_usd(random, config)
    blocks: list[Block] = []
    fates: list[Fate] = []
    round_usd_payments = 0
    for at in range(config.total):
        height = config.start_height - config.pre + at
        contents = block_contents(random, wallets, config, at, float(path_usd[at]))
        round_usd_payments += contents.round_usd_payments * (at in config.inside)
        fates += [(height, each.label, each.is_kept, each.transaction.txid_le[::-1].hex()) for each in contents.edges]
        previous_le = bytes.fromhex(blocks[-1].hash)[::-1] if blocks else ZERO
        blocks.append(assemble(wallets.random_bytes, height, int(times[at]), previous_le, contents.transactions))
    window = (config.start_height, config.start_height + config.blocks - 1)
    inside = slice(config.inside.start, config.inside.stop)
    truth = _truth(config, blocks[inside], path_usd[inside], round_usd_payments, fates)
    return Chain(config, blocks, window, path_usd, truth)


def _truth(
    config: Config, window: list[Block], prices_usd: NDArray[np.float64], round_usd_payments: int, fates: list[Fate]
) -> Truth:
    return Truth(
        price_center=config.price,
        price_median=float(np.median(prices_usd)),
        price_mean=float(prices_usd.mean()),
        price_min=float(prices_usd.min()),
        price_max=float(prices_usd.max()),
        round_usd_payments=round_usd_payments,
        window_bytes=sum(len(block.raw) for block in window),
        window_txs=sum(block.n_transactions for block in window),
        edges=fates,
    )

"""Generated chains: always the same bytes, and the truth about them."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from app.domain.blocks.block import read_block
from tests.chains import Chain, Config, build
from tests.chains.amounts import window_amounts
from tests.fakes.published import CASES, beside
from tests.fakes.window_outputs import WindowOutputs

SMALL: list[dict[str, Any]] = [
    {"seed": 3, "txs": 60, "blocks": 40},
    {"seed": 4, "txs": 50, "blocks": 30, "mode": "recent"},
    {"seed": 5, "txs": 30, "day": "2025-03-03", "midnight_quirk": True},
]


@pytest.fixture(scope="module")
def chain() -> Chain:
    return build(Config(seed=3, txs=60, blocks=40))


@pytest.fixture(scope="module")
def original() -> ModuleType:
    spec = importlib.util.spec_from_file_location("synthetic_chain", beside("tools/synthetic_chain.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", CASES)
def test_a_chain_has_the_bytes_that_the_published_figures_belong_to(name: str) -> None:
    assert build(Config(**CASES[name]["config"])).digest() == CASES[name]["blocks_sha256"]


@pytest.mark.parametrize("config", SMALL)
def test_a_chain_has_the_bytes_and_the_truth_of_the_original_generator(
    original: ModuleType, config: dict[str, Any]
) -> None:
    ours, theirs = build(Config(**config)), original.build(original.Config(**config))
    assert ours.digest() == theirs.digest()
    assert [block.hash for block in ours.blocks] == [block.hash_hex for block in theirs.blocks]
    assert (ours.window, ours.tip, ours.truth) == (theirs.window, theirs.tip, theirs.truth)


def test_what_is_said_about_each_block_is_what_its_bytes_say(chain: Chain) -> None:
    for below, block in zip(chain.blocks, chain.blocks[1:], strict=False):
        read = read_block(block.raw)
        assert (read.header.hash, read.header.time) == (block.hash, block.time)
        assert read.header.previous_hash == below.hash
        assert len(read.transactions) == block.n_transactions
        assert block.height == below.height + 1


def test_there_is_one_true_price_for_each_block_and_its_mean_is_the_one_asked_for(chain: Chain) -> None:
    prices_usd = chain.price_path_usd
    assert prices_usd.dtype == np.float64
    assert len(prices_usd) == len(chain.blocks)
    first, last = (height - chain.blocks[0].height for height in chain.window)
    inside = prices_usd[first : last + 1]
    assert np.exp(np.log(inside).mean()) == pytest.approx(60_000)
    assert (inside.min(), inside.max()) == (chain.truth["price_min"], chain.truth["price_max"])


def test_a_recent_chain_ends_one_block_above_its_window() -> None:
    chain = build(Config(txs=5, blocks=12, mode="recent"))
    assert chain.tip == chain.window[1] + 1
    assert len(chain.price_path_usd) == len(chain.blocks)


def test_edge_transactions_meet_the_fate_that_the_truth_tells(chain: Chain) -> None:
    used = set()
    outputs = WindowOutputs()
    fates = {txid: (label, is_kept) for _, label, is_kept, txid in chain.truth["edges"]}
    assert len({label for label, _ in fates.values()}) * 2 == len(fates)
    for block in chain.window_blocks:
        read = read_block(block.raw)
        for transaction in read.transactions:
            before = len(outputs.amounts_btc())
            outputs.add(read._replace(transactions=[transaction]))
            if len(outputs.amounts_btc()) > before:
                used.add(transaction.txid_le[::-1].hex())
    # It passes the filters, and neither of its amounts does.
    without_amounts = {"values 0 and 1000 sats", "decades 100 1000"}
    assert {txid for txid, (label, is_kept) in fates.items() if is_kept and label not in without_amounts} == (
        used & set(fates)
    )


def test_the_amounts_of_a_window_are_told_block_by_block(chain: Chain) -> None:
    found = window_amounts(chain)
    outputs = WindowOutputs()
    for block in chain.window_blocks:
        outputs.add(read_block(block.raw))
    assert found.amounts_btc.tolist() == outputs.amounts_btc().tolist()
    assert len(found.per_block) == 40
    assert found.per_block.sum() == len(found.amounts_btc)
    coinbase_only = 40 // 3
    assert found.per_block[coinbase_only] == 0
    alone = WindowOutputs()
    alone.add(read_block(chain.window_blocks[0].raw))
    assert found.per_block[0] == len(alone.amounts_btc())

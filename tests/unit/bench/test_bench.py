"""The benchmarks: the peer ends where we end, and each measure is one line."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from app.adapters.bitcoind import block_source
from app.domain.price.histogram import amount_shares
from app.domain.price.points import price_points_usd
from app.services.onchain_price import estimate_recent
from tests.bench import peer
from tests.bench.measure import Measure
from tests.chains import Config, build
from tests.chains.amounts import window_amounts
from tests.fakes.bitcoin_node import running
from tests.fakes.published import CASES, CHECKOUT, COMMITTED, chain

CASE = CASES[COMMITTED]


def test_the_peer_ends_at_our_price_of_the_newest_blocks() -> None:
    with running(chain(COMMITTED)) as node:
        published = estimate_recent(block_source(node.url), "main").published
        assert published is not None
        assert peer.price_of_node(node.url) == published.price


def test_the_peer_finds_the_published_figures() -> None:
    amounts: list[float] = []
    seen: set[str] = set()
    for height in range(CASE["method"]["first_height"], CASE["method"]["last_height"] + 1):
        peer.read_block(chain(COMMITTED)[height], seen, amounts)
    assert (len(seen), len(amounts)) == (CASE["method"]["n_txids"], CASE["method"]["n_raw_outputs"])
    assert peer.histogram(amounts) == amount_shares(np.array(amounts)).tolist()
    rough = peer.rough_price(peer.histogram(amounts))
    assert rough == CASE["method"]["rough_price_estimate"]
    assert peer.price_points(amounts, rough) == price_points_usd(np.array(amounts), rough).tolist()
    assert peer.price_of_amounts(amounts) == CASE["method"]["central_price"]


def test_the_peer_reads_every_kind_of_transaction_as_we_do() -> None:
    made = build(Config(seed=11, blocks=20, txs=60, pre=4))
    amounts: list[float] = []
    seen: set[str] = set()
    for block in made.window_blocks:
        peer.read_block(block.raw, seen, amounts)
    assert amounts == window_amounts(made).amounts_btc.tolist()


def test_every_measure_is_a_line_of_name_ours_peer_ratio_and_spread() -> None:
    command = [sys.executable, "-m", "tests.bench", "price", "--tiny", "--rounds", "1"]
    said = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True, timeout=120)
    assert said.stderr == ""
    header, *lines = said.stdout.splitlines()
    assert header.split() == ["name", "ours", "peer", "ratio", "spread"]
    figure = r"[\d.e+-]+"
    assert [line.split()[0] for line in lines] == [
        "price.parse[MB/s]",
        "price.estimate[ms]",
        "price.cold_window[s]",
        "price.incremental_run[s]",
        "price.incremental_process[s]",
        "price.cold_memory[MB]",
        "price.incremental_memory[MB]",
    ]
    for line in lines:
        assert re.fullmatch(rf"\S+ +{figure} +{figure} +{figure}x +{figure}\.\.{figure}", line), line


@pytest.mark.parametrize(("more_is_better", "ratio"), [(False, "4x"), (True, "0.25x")], ids=["a time", "a rate"])
def test_a_ratio_says_how_many_times_ours_is_better(more_is_better: bool, ratio: str) -> None:  # noqa: FBT001
    measure = Measure("a[s]", [2.0, 1.0, 9.0], [8.0, 4.0, 36.0], more_is_better)
    assert measure.line().split()[1:4] == ["2", "8", ratio]

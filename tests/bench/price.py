"""The price: parsing, a cold window, a run with one new block, the estimate alone, and memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from app.domain.blocks.block import read_block
from app.domain.price.amounts import window_amounts
from app.domain.price.estimate import estimate_price
from tests.bench import node, peer
from tests.bench.measure import Measure
from tests.chains import Config, build
from tests.fakes.extracts import window_extracts
from tests.fakes.published import CHECKOUT

PARSED_BLOCKS = 12

Progress = Callable[[str], None]


@dataclass
class Run:
    """What runs of one kind took, round by round."""

    seconds: list[float] = field(default_factory=list)
    process_seconds: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    prices: list[float] = field(default_factory=list)

    def again(self, *arguments: str) -> None:
        """Run `price_run` with these arguments once more."""
        command = [sys.executable, "-m", "tests.bench.price_run", *arguments]
        started = time.perf_counter()
        said = json.loads(subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, timeout=600).stdout)
        self.process_seconds.append(time.perf_counter() - started)
        self.seconds.append(said["seconds"])
        self.peak_mb.append(said["peak_mb"])
        self.prices.append(said["price"])


def measures(config: Config, rounds: int, progress: Progress) -> Iterator[Measure]:
    """Yield every measure of the price on the chain of `config`, which has to be of the mode "recent"."""
    progress("parsing")
    yield from in_process(config, rounds)
    progress("making the chain")
    with node.running(config) as nodes, tempfile.TemporaryDirectory() as directory:
        yield from whole_runs(nodes, Path(directory), rounds, progress)


def in_process(config: Config, rounds: int) -> Iterator[Measure]:
    part = replace(config, blocks=min(config.blocks, PARSED_BLOCKS), pre=min(config.pre, 3))
    raw_blocks = [block.raw for block in build(part).window_blocks]
    megabytes = sum(map(len, raw_blocks)) / 1e6
    amounts = window_amounts(window_extracts(raw_blocks, 1)).amounts_btc
    # As many as a day has.
    amounts = np.tile(amounts, config.blocks // part.blocks)

    def parse_peer() -> None:
        seen: set[str] = set()
        for raw in raw_blocks:
            peer.read_block(raw, seen, [])

    ours, others = in_turns(rounds, lambda: [read_block(raw) for raw in raw_blocks], parse_peer)
    yield Measure(
        "price.parse[MB/s]", [megabytes / s for s in ours], [megabytes / s for s in others], more_is_better=True
    )
    listed = amounts.tolist()
    ours, others = in_turns(rounds, lambda: estimate_price(amounts), lambda: peer.price_of_amounts(listed))
    yield Measure("price.estimate[ms]", [s * 1e3 for s in ours], [s * 1e3 for s in others])


def whole_runs(nodes: node.Nodes, directory: Path, rounds: int, progress: Progress) -> Iterator[Measure]:
    warm, others, cold, incremental = directory / "warm", Run(), Run(), Run()
    progress("filling a cache")
    Run().again("ours", nodes.before, str(warm))
    for done in range(1, rounds + 1):
        empty, copied = directory / "empty", directory / "copied"
        progress(f"round {done} of {rounds}: the peer")
        others.again("peer", nodes.now)
        progress(f"round {done} of {rounds}: cold window")
        cold.again("ours", nodes.now, str(empty))
        progress(f"round {done} of {rounds}: one new block")
        shutil.copytree(warm, copied)
        incremental.again("ours", nodes.now, str(copied))
        for used in (empty, copied):
            with suppress(FileNotFoundError):
                shutil.rmtree(used)
    if len({*others.prices, *cold.prices, *incremental.prices}) > 1:
        raise AssertionError(f"prices differ: {others.prices}, {cold.prices}, {incremental.prices}")
    yield Measure("price.cold_window[s]", cold.seconds, others.seconds)
    yield Measure("price.incremental_run[s]", incremental.seconds, others.seconds)
    yield Measure("price.incremental_process[s]", incremental.process_seconds, others.process_seconds)
    yield Measure("price.cold_memory[MB]", cold.peak_mb, others.peak_mb)
    yield Measure("price.incremental_memory[MB]", incremental.peak_mb, others.peak_mb)


def in_turns(rounds: int, ours: Callable[[], object], others: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Return the seconds that each of the two took in each round."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for seconds, work in zip(taken, (ours, others), strict=True):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
    return taken

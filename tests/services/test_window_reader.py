"""Windows read with what earlier runs kept: every answer is that of a run that has nothing, and costs less."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from app.adapters.bitcoind import block_source
from app.adapters.extract_files import ExtractFiles
from app.adapters.proving_processes import proving_processes
from app.domain.blocks.block import read_block
from app.domain.price.windows import Window
from app.services.block_proof import BlockProver
from app.services.block_source import BadBlockError, FallbackBlockSource
from app.services.extract_cache import ExtractCache
from app.services.onchain_price import ignore_progress
from app.services.window_reader import ReorganisedError, WindowReader
from tests.fakes.bitcoin_node import FakeNode, running
from tests.fakes.blocks import Chain, Input, Tx
from tests.fakes.window_outputs import WindowOutputs


def transactions(height: int) -> list[Tx]:
    """Payments from far away, and some that spend what the three blocks below made."""
    mine = [Tx([Input(bytes([height, number] * 16))], lock_time=height) for number in range(6)]
    below = [Tx([Input(bytes([each, 0] * 16))], lock_time=each) for each in range(max(0, height - 3), height)]
    return mine + [Tx([Input(each.txid_le, height)], lock_time=1_000 + height) for each in below]


def chain_of(length: int, tag: int = 0, on: Chain | None = None) -> Chain:
    chain = on or Chain()
    while len(chain.blocks) < length:
        chain.extend(transactions(len(chain.blocks)), tag=tag)
    return chain


@pytest.fixture
def node() -> Iterator[FakeNode]:
    with running(chain_of(60).blocks) as served:
        yield served


@pytest.fixture
def kept(tmp_path: Path) -> ExtractCache:
    return ExtractFiles(tmp_path)


def amounts(node: FakeNode, first: int, last: int, kept: ExtractCache | None = None) -> tuple[list[float], list[int]]:
    node.asked.clear()
    reader = WindowReader(block_source(node.url), Window(first, last), kept)
    reader.read(ignore_progress)
    found = reader.amounts()
    assert reader.last_hash == node.hash_at(last)
    return found.amounts_btc.tolist(), found.per_block.tolist()


def by_the_rule(node: FakeNode, first: int, last: int) -> list[float]:
    outputs = WindowOutputs()
    for height in range(first, last + 1):
        outputs.add(read_block(node.block(node.hash_at(height))))
    found: list[float] = outputs.amounts_btc().tolist()
    return found


def test_a_second_run_reads_no_block(node: FakeNode, kept: ExtractCache) -> None:
    first = amounts(node, 10, 49, kept)
    assert node.asked["rest block"] == 40
    assert first[0] == by_the_rule(node, 10, 49)
    assert amounts(node, 10, 49, kept) == first
    assert node.asked["rest block"] == 0


def test_a_run_with_one_new_block_reads_one_and_asks_little(node: FakeNode, kept: ExtractCache) -> None:
    amounts(node, 10, 49, kept)
    assert amounts(node, 11, 50, kept)[0] == by_the_rule(node, 11, 50)
    assert node.asked["rest block"] == 1
    # Its first hash, the headers, the hash of the last one, the block, and whether it is still the last.
    assert sum(node.asked.values()) <= 5


@pytest.mark.parametrize(
    "windows",
    [[(10, 49), (3, 42), (20, 59), (0, 59)], [(40, 49), (30, 39), (20, 29), (20, 49)], [(5, 5), (4, 6), (3, 7)]],
)
def test_windows_in_any_order_have_the_amounts_of_the_rule(
    node: FakeNode, kept: ExtractCache, windows: list[tuple[int, int]]
) -> None:
    for first, last in windows:
        assert amounts(node, first, last, kept)[0] == by_the_rule(node, first, last)
        assert amounts(node, first, last, kept)[0] == by_the_rule(node, first, last)
        assert node.asked["rest block"] == 0


def test_only_the_blocks_of_the_new_branch_are_read_after_a_reorganisation(node: FakeNode, kept: ExtractCache) -> None:
    amounts(node, 10, 49, kept)
    before = chain_of(60)
    node.serve(chain_of(60, tag=1, on=before.branch(46)).blocks)
    assert amounts(node, 10, 49, kept) == amounts(node, 10, 49)
    assert amounts(node, 10, 50, kept) == amounts(node, 10, 50)
    node.serve(before.blocks)
    amounts(node, 10, 49, kept)
    assert node.asked["rest block"] == 0


def test_after_a_reorganisation_four_blocks_are_read(node: FakeNode, kept: ExtractCache) -> None:
    amounts(node, 10, 49, kept)
    node.serve(chain_of(60, tag=1, on=chain_of(60).branch(46)).blocks)
    amounts(node, 10, 49, kept)
    assert node.asked["rest block"] == 4


def test_a_broken_file_costs_one_block(node: FakeNode, kept: ExtractCache, tmp_path: Path) -> None:
    expected = amounts(node, 10, 49, kept)
    sorted(tmp_path.iterdir())[7].write_bytes(b"torn")
    assert amounts(node, 10, 49, kept) == expected
    assert node.asked["rest block"] == 1
    amounts(node, 10, 49, kept)
    assert node.asked["rest block"] == 0


def test_a_directory_smaller_than_the_window_changes_no_figure(node: FakeNode, tmp_path: Path) -> None:
    small = ExtractFiles(tmp_path, max_blocks=5)
    for last in (49, 50, 51):
        assert amounts(node, last - 39, last, small)[0] == by_the_rule(node, last - 39, last)
    assert len(list(tmp_path.iterdir())) == 5


def test_a_run_that_fails_midway_keeps_what_it_has_searched(node: FakeNode, kept: ExtractCache) -> None:
    node.instead = {node.hash_at(45): b"nonsense"}
    with pytest.raises(BadBlockError):
        amounts(node, 10, 49, kept)
    node.instead = {}
    amounts(node, 10, 49, kept)
    assert node.asked["rest block"] <= 40 - 32


@pytest.mark.parametrize("rest", [True, False])
def test_what_served_is_told_even_when_every_block_was_kept(node: FakeNode, kept: ExtractCache, rest: bool) -> None:  # noqa: FBT001
    amounts(node, 10, 49, kept)
    node.rest = rest
    source = block_source(node.url)
    source.status()
    reader = WindowReader(source, Window(10, 49), kept)
    reader.read(ignore_progress)
    assert list(reader.served_by) == ["bitcoind-rest" if rest else "bitcoind-rpc"]


class Headers(FallbackBlockSource):
    """Gives these headers, whatever it is asked for."""

    def __init__(self, node: FakeNode, headers: list[bytes]) -> None:
        super().__init__(block_source(node.url))
        self._headers = headers

    def headers(self, first_height: int, count: int) -> list[bytes]:  # noqa: ARG002
        return self._headers


def test_headers_that_are_no_chain_are_a_reorganisation(node: FakeNode) -> None:
    headers = [node.header(node.hash_at(height)) for height in (10, 12)]
    with pytest.raises(ReorganisedError):
        WindowReader(Headers(node, headers), Window(10, 11)).read(ignore_progress)


@pytest.mark.parametrize("headers", [[], [bytes(79)], [bytes(80)] * 3])
def test_something_else_than_headers_is_refused(node: FakeNode, headers: list[bytes]) -> None:
    with pytest.raises(BadBlockError, match="was asked for 2 headers from block 10 on and gave others"):
        WindowReader(Headers(node, headers), Window(10, 11)).read(ignore_progress)


def test_headers_are_asked_for_until_there_are_enough(node: FakeNode) -> None:
    class Few(FallbackBlockSource):
        def headers(self, first_height: int, count: int) -> list[bytes]:
            return list(super().headers(first_height, min(count, 7)))

    reader = WindowReader(Few(block_source(node.url)), Window(10, 49))
    reader.read(ignore_progress)
    assert reader.amounts().amounts_btc.tolist() == by_the_rule(node, 10, 49)


def test_many_blocks_are_proven_by_processes_with_the_same_amounts(node: FakeNode, kept: ExtractCache) -> None:
    reader = WindowReader(block_source(node.url), Window(10, 49), kept, partial(proving_processes, 2))
    reader.read(ignore_progress)
    assert reader.amounts().amounts_btc.tolist() == by_the_rule(node, 10, 49)
    assert list(reader.served_by) == ["bitcoind-rest"]


def test_no_process_is_started_for_a_few_blocks(node: FakeNode, kept: ExtractCache) -> None:
    def never() -> AbstractContextManager[BlockProver]:
        raise AssertionError("started")

    amounts(node, 10, 49, kept)
    WindowReader(block_source(node.url), Window(15, 54), kept, never).read(ignore_progress)
    with pytest.raises(AssertionError, match="started"):
        WindowReader(block_source(node.url), Window(15, 54), None, never).read(ignore_progress)


def test_a_bad_block_is_refused_by_processes_too(node: FakeNode) -> None:
    node.instead = {node.hash_at(30): node.block(node.hash_at(30))[:-1]}
    reader = WindowReader(block_source(node.url), Window(10, 49), None, partial(proving_processes, 2))
    with pytest.raises(BadBlockError, match="no sound block"):
        reader.read(ignore_progress)

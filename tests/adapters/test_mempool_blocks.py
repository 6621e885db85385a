"""Blocks of a mempool backend: when one is gone, and when the backend has failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from app.adapters.esplora_http import EsploraHttp, Service
from app.adapters.mempool_blocks import MempoolBlocks
from app.services.block_source import BadBlockError, BlockPrunedError, BlockUnknownError, NodeError, NodeNotReadyError
from tests.fakes.esplora_node import FakeEsplora, esplora
from tests.fakes.published import CASES, COMMITTED, chain

BLOCKS = chain(COMMITTED)
TIP = CASES[COMMITTED]["tip"]


@pytest.fixture
def backend() -> Iterator[FakeEsplora]:
    with esplora(BLOCKS, "/api/v1") as served:
        yield served


def blocks_of(backend: FakeEsplora) -> MempoolBlocks:
    service = Service("mempool", backend.url, ("/api/v1", "/api"))
    return MempoolBlocks(EsploraHttp(service), "regtest", lambda: datetime.now(UTC))


def fails(backend: FakeEsplora, *endings: str, status: int = 500) -> None:
    """Let paths with these endings fail as a backend does, with a reason that says nothing."""
    otherwise: Callable[[str], tuple[int, bytes]] = backend.answer
    backend.answer = (  # type: ignore[method-assign] # a fault of this one
        lambda path: (status, b"Failed to get raw block") if path.endswith(endings) else otherwise(path)
    )


def test_a_block_that_it_has_is_given(backend: FakeEsplora) -> None:
    assert blocks_of(backend).raw_block(backend.hash_at(TIP)) == BLOCKS[TIP]
    assert backend.asked["header"] == 0


def test_a_block_of_which_only_the_header_is_left_is_deleted(backend: FakeEsplora) -> None:
    fails(backend, "/raw")
    with pytest.raises(
        BlockPrunedError, match=r"mempool at http\S+ has only the header of a block.*raise prune= there"
    ):
        blocks_of(backend).raw_block(backend.hash_at(TIP))


def test_a_backend_whose_bitcoind_is_away_has_failed(backend: FakeEsplora) -> None:
    fails(backend, "/raw", "/header")
    with pytest.raises(NodeError, match="answered 500 to /api/v1/block/"):
        blocks_of(backend).raw_block(backend.hash_at(TIP))


@pytest.mark.parametrize("status", [401, 403, 502, 504])
def test_a_proxy_that_gives_no_block_has_said_nothing_of_it(backend: FakeEsplora, status: int) -> None:
    fails(backend, "/raw", status=status)
    with pytest.raises(NodeError, match=f"answered {status} to /api/v1/block/"):
        blocks_of(backend).raw_block(backend.hash_at(TIP))
    assert backend.asked["header"] == 0


def test_what_is_no_header_says_nothing_of_the_block(backend: FakeEsplora) -> None:
    fails(backend, "/raw")
    fails(backend, "/header", status=200)
    with pytest.raises(NodeError, match="did not answer to /block/"):
        blocks_of(backend).raw_block(backend.hash_at(TIP))


def test_the_header_of_another_block_says_nothing_of_this_one(backend: FakeEsplora) -> None:
    fails(backend, "/raw")
    otherwise = backend.answer
    other = BLOCKS[TIP - 1][:80].hex().encode()
    backend.answer = (  # type: ignore[method-assign] # a fault of this one
        lambda path: (200, other) if path.endswith("/header") else otherwise(path)
    )
    with pytest.raises(BadBlockError, match="was asked for the header of"):
        blocks_of(backend).raw_block(backend.hash_at(TIP))


def test_a_block_that_fails_once_is_asked_for_again(backend: FakeEsplora) -> None:
    otherwise, times = backend.answer, iter([(500, b"Failed to get raw block")])
    backend.answer = (  # type: ignore[method-assign] # a fault of this one
        lambda path: next(times, otherwise(path)) if path.endswith("/raw") else otherwise(path)
    )
    assert blocks_of(backend).raw_block(backend.hash_at(TIP)) == BLOCKS[TIP]


def test_a_backend_that_is_busy_has_said_nothing_of_the_block(backend: FakeEsplora) -> None:
    fails(backend, "/raw", status=503)
    with pytest.raises(NodeNotReadyError):
        blocks_of(backend).raw_block(backend.hash_at(TIP))


def test_a_block_that_it_never_saw_is_unknown(backend: FakeEsplora) -> None:
    with pytest.raises(BlockUnknownError):
        blocks_of(backend).raw_block("11" * 32)

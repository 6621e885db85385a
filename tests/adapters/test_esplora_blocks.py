"""Blocks by Esplora's REST, over real HTTP: what is believed of a service that is not the operator's node."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from app.adapters.bounded_http import Bounds
from app.adapters.esplora_blocks import GENESIS, EsploraBlocks
from app.adapters.esplora_headers import headers_of
from app.adapters.esplora_http import EsploraHttp, Service
from app.domain.blocks.header import read_header
from app.services.block_source import (
    BadBlockError,
    BlockUnknownError,
    NodeError,
    NodeNotReadyError,
    NodeStatus,
    NodeUnreachableError,
)
from tests.fakes.blocks import Chain, double_sha256
from tests.fakes.esplora_node import FakeEsplora, esplora
from tests.fakes.published import CASES, COMMITTED, beside, chain
from tests.fakes.trickle import ENDLESS_BODY, trickling
from tests.node.bitcoind import free_port
from tests.node.programs.life.work import meets_target

BLOCKS = chain(COMMITTED)
TIP = CASES[COMMITTED]["tip"]
TIP_TIME = datetime.fromtimestamp(int.from_bytes(BLOCKS[TIP][68:72], "little"), UTC)


@pytest.fixture
def node() -> Iterator[FakeEsplora]:
    with esplora(BLOCKS) as served:
        yield served


def blocks_of(
    url: str, network: str = "regtest", prefixes: tuple[str, ...] = ("",), now: datetime = TIP_TIME
) -> EsploraBlocks:
    service = Service("electrs", url, prefixes, "; is ELECTRS_API_URL right?")
    return EsploraBlocks(EsploraHttp(service), network, lambda: now)


def test_a_chain_is_read_by_height_and_by_hash(node: FakeEsplora) -> None:
    source = blocks_of(node.url)
    assert source.status() == NodeStatus("regtest", TIP, initial_block_download=False)
    assert source.block_hash(TIP - 9) == node.hash_at(TIP - 9)
    assert source.raw_block(node.hash_at(TIP - 9)) == BLOCKS[TIP - 9]
    assert source.headers(TIP - 2, 7) == [BLOCKS[height][:80] for height in (TIP - 2, TIP - 1, TIP)]


def test_headers_come_by_the_page(node: FakeEsplora) -> None:
    assert blocks_of(node.url).headers(TIP - 146, 144) == [BLOCKS[height][:80] for height in range(TIP - 146, TIP - 2)]
    assert len(node.paths) < 20


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"[]",
        b"[{}]",
        b"<html>",
        b'[{"version":1,"previousblockhash":"zz","merkle_root":"","timestamp":0,"bits":0,"nonce":0}]',
        b'[{"version":1,"previousblockhash":null,"merkle_root":"","timestamp":0,"bits":0,"nonce":-1}]',
        b'[{"version":1,"previousblockhash":null,"merkle_root":"","timestamp":0,"bits":0,"nonce":0}]',
    ],
)
def test_without_pages_that_can_be_used_headers_come_singly(node: FakeEsplora, page: bytes) -> None:
    node.instead = {f"/blocks/{height}": page for height in range(TIP)}
    assert blocks_of(node.url).headers(TIP - 3, 4) == [BLOCKS[height][:80] for height in range(TIP - 3, TIP + 1)]


def test_a_page_of_a_real_backend_gives_the_headers_that_it_describes() -> None:
    page = json.loads(beside("data/mempool/recorded.json").read_text(encoding="utf-8"))["rest"]["blocks"]["body"]
    headers = [read_header(each) for each in headers_of(json.dumps(page).encode())]
    assert [header.hash for header in headers] == [block["id"] for block in page]
    assert headers[0].previous_hash == headers[1].hash


def test_every_header_of_a_page_proves_its_work() -> None:
    # A chain whose newest block happens to have been worked for, while the one below was not.
    chains = (chain_of(tag) for tag in range(99))
    blocks = next(each for each in chains if proves_work(each[2]) and not proves_work(each[1]))
    with esplora(blocks) as node, pytest.raises(BadBlockError, match="block 1 does not prove the work that it claims"):
        blocks_of(node.url).headers(1, 2)


def chain_of(tag: int) -> dict[int, bytes]:
    made = Chain()
    for _ in range(3):
        made.extend(tag=tag)
    return made.blocks


def proves_work(raw: bytes) -> bool:
    return meets_target(double_sha256(raw[:80]))


def test_a_page_of_another_chain_is_not_followed(node: FakeEsplora) -> None:
    elsewhere = node.answer(f"/blocks/{TIP - 20}")[1]
    node.instead = {f"/blocks/{TIP - 1}": elsewhere}
    assert blocks_of(node.url).headers(TIP - 3, 4) == [BLOCKS[height][:80] for height in range(TIP - 3, TIP + 1)]


@pytest.mark.parametrize("prefix", ["/api/v1", "/api"], ids=["backend", "front end"])
def test_a_mempool_is_asked_where_its_blocks_are(prefix: str) -> None:
    with esplora(BLOCKS, prefix) as node:
        source = blocks_of(node.url, prefixes=("/api/v1", "/api"))
        assert source.status().tip_height == TIP
        assert source.raw_block(node.hash_at(TIP)) == BLOCKS[TIP]


def test_where_blocks_are_is_found_out_once(node: FakeEsplora) -> None:
    source = blocks_of(node.url)
    for height in range(TIP - 5, TIP):
        source.raw_block(node.hash_at(height))
    assert node.asked == {"block-height": 1, "raw": 5}


def test_what_serves_no_blocks_says_so_and_what_to_do() -> None:
    with (
        esplora(BLOCKS, "/elsewhere") as node,
        pytest.raises(NodeError, match=r"serves no blocks as Esplora does; is ELECTRS_API_URL right\?"),
    ):
        blocks_of(node.url, prefixes=("/api/v1", "/api")).raw_block(node.hash_at(TIP))


def test_another_network_is_refused_before_anything_is_believed(node: FakeEsplora) -> None:
    node.genesis = GENESIS["signet"]
    source = blocks_of(node.url)
    for question in (source.status, lambda: source.block_hash(TIP), lambda: source.raw_block(node.hash_at(TIP))):
        with pytest.raises(NodeError, match="is on signet and BITCOIN_NETWORK says regtest"):
            question()
    assert node.asked["raw"] == 0


def test_a_chain_that_nobody_knows_is_another_network(node: FakeEsplora) -> None:
    node.genesis = "ab" * 32
    with pytest.raises(NodeError, match="is on another network and"):
        blocks_of(node.url).status()


def test_a_service_whose_newest_block_is_a_day_old_has_not_caught_up(node: FakeEsplora) -> None:
    day = timedelta(hours=24)
    assert blocks_of(node.url, now=TIP_TIME + day).status().tip_height == TIP
    with pytest.raises(NodeNotReadyError, match=rf"has not caught up: its newest block, {TIP}, is of 2024-06-16 02:12"):
        blocks_of(node.url, now=TIP_TIME + day + timedelta(seconds=1)).status()


def test_what_it_does_not_have_is_unknown(node: FakeEsplora) -> None:
    source = blocks_of(node.url)
    with pytest.raises(BlockUnknownError, match="does not know the block"):
        source.block_hash(TIP + 1)
    with pytest.raises(BlockUnknownError):
        source.headers(TIP + 1, 2)
    with pytest.raises(BlockUnknownError):
        source.raw_block("11" * 32)


def test_a_tip_that_it_does_not_have_itself_is_no_answer(node: FakeEsplora) -> None:
    node.tip = TIP + 1
    with pytest.raises(NodeError, match="does not know its own newest block"):
        blocks_of(node.url).status()


@pytest.mark.parametrize("ending", ["/tip/height", "/header"])
def test_where_its_chain_ends_is_told_by_height_and_by_nothing_else(node: FakeEsplora, ending: str) -> None:
    otherwise = node.answer
    node.answer = (  # type: ignore[method-assign] # a fault of this one
        lambda path: (404, b"Not Found") if path.endswith(ending) else otherwise(path)
    )
    source = blocks_of(node.url)
    for question in (source.status, lambda: source.headers(TIP - 1, 2)):
        with pytest.raises(NodeError, match=r"does not tell its height|does not know its own block"):
            question()


def test_a_header_of_another_block_is_refused(node: FakeEsplora) -> None:
    node.instead[f"/block/{node.hash_at(TIP)}/header"] = BLOCKS[TIP - 1][:80].hex().encode()
    with pytest.raises(BadBlockError, match=f"was asked for the header of {node.hash_at(TIP)} and gave"):
        blocks_of(node.url).block_hash(TIP)


def test_on_main_a_chain_that_was_cheap_to_make_is_refused() -> None:
    with esplora(BLOCKS, genesis=GENESIS["main"]) as node:
        source = blocks_of(node.url, "main")
        for question in (source.status, lambda: source.block_hash(TIP - 1), lambda: source.headers(TIP - 1, 2)):
            with pytest.raises(BadBlockError, match="proves less work than any of main since 840000"):
                question()


def test_on_main_a_new_block_cannot_be_an_old_one_by_its_height() -> None:
    moved = {height - 100_000: raw for height, raw in BLOCKS.items()}
    with esplora(moved, genesis=GENESIS["main"]) as node, pytest.raises(NodeNotReadyError, match="has not caught up"):
        blocks_of(node.url, "main").status()


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"-1", b"1e3", b"99999999999"])
def test_words_of_another_form_are_refused(node: FakeEsplora, body: bytes) -> None:
    source = blocks_of(node.url)
    paths = ("/blocks/tip/height", f"/block-height/{TIP}", f"/block/{node.hash_at(TIP)}/header")
    node.instead = dict.fromkeys(paths, body)
    with pytest.raises(NodeError, match="did not answer to /blocks/tip/height as Esplora does"):
        source.status()
    with pytest.raises(NodeError, match="did not answer to /block-height/"):
        source.block_hash(TIP)
    del node.instead[paths[1]]
    with pytest.raises(NodeError, match=r"did not answer to /block/.*/header as"):
        source.block_hash(TIP)


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (429, NodeNotReadyError, "has too much to do, or refuses us: it answered 429"),
        (503, NodeNotReadyError, "it answered 503"),
        (500, NodeError, "answered 500 to /blocks/tip/height"),
        (302, NodeError, "answered 302"),
    ],
)
def test_another_status_says_so(node: FakeEsplora, status: int, error: type[NodeError], reason: str) -> None:
    source = blocks_of(node.url)
    source.block_hash(TIP)
    node.status = status
    with pytest.raises(error, match=reason):
        source.status()


def test_one_that_is_away_is_unreachable_and_says_what_to_do() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(NodeUnreachableError, match=rf"electrs at {url} cannot be reached .*; is ELECTRS_API_URL right"):
        blocks_of(url).status()


def test_an_answer_beyond_a_block_is_cut(node: FakeEsplora) -> None:
    node.instead[f"/block/{node.hash_at(TIP)}/raw"] = bytes(4_000_001)
    with pytest.raises(NodeUnreachableError, match="sends more than 4000000 bytes"):
        blocks_of(node.url).raw_block(node.hash_at(TIP))


def test_one_that_trickles_its_answer_is_unreachable() -> None:
    with trickling(ENDLESS_BODY) as url:
        http = EsploraHttp(Service("electrs", url), Bounds(5, 0.2, 4_000_000))
        with pytest.raises(NodeUnreachableError, match="sends too slowly"):
            EsploraBlocks(http, "regtest", lambda: TIP_TIME).status()


def test_threads_take_turns_on_the_one_connection(node: FakeEsplora) -> None:
    source = blocks_of(node.url)
    source.block_hash(TIP)
    both_at_once, met = threading.Barrier(2), []

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            both_at_once.wait(timeout=0.3)
            met.append(True)

    node.before = meet
    hashes = [node.hash_at(height) for height in range(TIP - 9, TIP)]
    with ThreadPoolExecutor(2) as pool:
        read = list(pool.map(source.raw_block, hashes, timeout=60))
    assert read == [BLOCKS[height] for height in range(TIP - 9, TIP)]
    assert met == []

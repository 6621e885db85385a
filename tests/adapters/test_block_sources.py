"""The sources of blocks in their tiers, put together as the processes do, against stand-ins over real HTTP."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.adapters import block_sources
from app.adapters.block_sources import Upstreams, tiered_blocks
from app.adapters.bounded_http import Answer
from app.adapters.esplora_blocks import EsploraBlocks
from app.adapters.esplora_http import EsploraHttp, Service
from app.adapters.timed_blocks import TimedBlocks
from app.domain.blocks.block import read_block
from app.services.block_source import (
    BadBlockError,
    BlockAwayError,
    BlockPrunedError,
    BlockUnknownError,
    FallbackBlockSource,
    NodeError,
    NodeStatus,
    NodeUnauthorisedError,
    NodeUnreachableError,
)
from tests.fakes.bitcoin_node import FakeNode, running
from tests.fakes.blocks import double_sha256
from tests.fakes.esplora_node import REGTEST_GENESIS, FakeEsplora, esplora
from tests.fakes.published import CASES, COMMITTED, chain
from tests.fakes.trickle import ENDLESS_HEAD, trickling
from tests.node.bitcoind import free_port

BLOCKS = chain(COMMITTED)
TIP = CASES[COMMITTED]["tip"]
NOW = datetime.fromtimestamp(int.from_bytes(BLOCKS[TIP][68:72], "little"), UTC)


def dead() -> str:
    return f"http://127.0.0.1:{free_port()}"


def tiers(
    state: Path, bitcoind: str, electrs: str | None = None, mempool: str | None = None, *, now: datetime = NOW
) -> FallbackBlockSource:
    """The tiers as each process makes its own."""
    upstreams = Upstreams(
        bitcoin_network="regtest", bitcoin_rpc_url=bitcoind, electrs_api_url=electrs, mempool_api_url=mempool
    )
    return tiered_blocks(upstreams, state, lambda: now)


def served_by(source: FallbackBlockSource, height: int = TIP) -> str:
    served = source.proven_block(source.block_hash(height), bytes)
    assert served.content == BLOCKS[height]
    return served.served_by


def rest_off(node: FakeNode) -> None:
    node.rest = False


def rpc_forbidden(node: FakeNode) -> None:
    node.rest = False
    node.forbidden = ("getblock",)


def has_deleted_blocks(mempool: FakeEsplora) -> None:
    """As a backend without electrs behind it answers, when its bitcoind has deleted the block."""
    otherwise = mempool.answer
    mempool.answer = (  # type: ignore[method-assign] # a fault of this one
        lambda path: (500, b"Failed to get raw block") if path.endswith("/raw") else otherwise(path)
    )


def starting(node: FakeNode) -> None:
    node.warming_up = True


@pytest.mark.parametrize(
    ("fault", "served"),
    [
        (lambda _: None, "bitcoind-rest"),
        (rest_off, "bitcoind-rpc"),
        (rpc_forbidden, "electrs"),
        (starting, "electrs"),
    ],
)
def test_the_first_tier_that_works_serves(tmp_path: Path, fault: Callable[[FakeNode], None], served: str) -> None:
    with running(BLOCKS, "regtest") as node, esplora(BLOCKS) as electrs, esplora(BLOCKS, "/api") as mempool:
        fault(node)
        source = tiers(tmp_path, node.url, electrs.url, mempool.url)
        assert source.status().tip_height == TIP
        assert served_by(source) == served
        assert mempool.asked == {}


def test_each_fails_in_its_turn_within_one_run(tmp_path: Path) -> None:
    with running(BLOCKS, "regtest") as node, esplora(BLOCKS) as electrs, esplora(BLOCKS, "/api/v1") as mempool:
        source = tiers(tmp_path, node.url, electrs.url, mempool.url)
        source.status()
        seen = [served_by(source)]
        for fault in (rest_off, rpc_forbidden):
            fault(node)
            seen.append(served_by(source))
        electrs.status = 500
        seen.append(served_by(source))
    assert seen == ["bitcoind-rest", "bitcoind-rpc", "electrs", "mempool"]


def test_a_block_that_a_pruned_node_has_deleted_comes_from_elsewhere_and_the_rest_from_the_node(tmp_path: Path) -> None:
    with running(BLOCKS, "regtest") as node, esplora(BLOCKS) as electrs:
        node.instead = {node.hash_at(TIP - 9): None}
        source = tiers(tmp_path, node.url, electrs.url)
        source.status()
        assert [served_by(source, height) for height in (TIP - 9, TIP - 8)] == ["electrs", "bitcoind-rest"]
        assert electrs.asked["raw"] == 1
        alone = tiers(tmp_path, node.url, dead(), dead())
        alone.status()
        with pytest.raises(BlockAwayError) as failure:
            served_by(alone, TIP - 9)
    assert re.fullmatch(
        r"bitcoind at \S+ has deleted a block .*, raise prune= there; nobody else gives it at present: "
        r"electrs at \S+ cannot be reached .*, and is ELECTRS_API_URL right\?; mempool at \S+ cannot be reached .*\?",
        str(failure.value),
    )


def test_a_block_is_gone_when_bitcoind_has_deleted_it_and_no_service_has_it(tmp_path: Path) -> None:
    without = {height: raw for height, raw in BLOCKS.items() if height != TIP - 9}
    with running(BLOCKS, "regtest") as node, esplora(without) as electrs, esplora(BLOCKS, "/api/v1") as mempool:
        node.instead = {node.hash_at(TIP - 9): None}
        has_deleted_blocks(mempool)
        source = tiers(tmp_path, node.url, electrs.url, mempool.url)
        source.status()
        with pytest.raises(
            BlockPrunedError, match=r"raise prune= there; electrs .* does not know the block .*; mempool"
        ):
            served_by(source, TIP - 9)
        assert not (tmp_path / "sources.json").exists(), "an answer is no failure"


def test_a_source_that_hangs_is_not_waited_for_by_each_run_that_can_wait(tmp_path: Path) -> None:
    with running(BLOCKS, "regtest") as node, esplora(BLOCKS) as electrs:
        node.instead = {node.hash_at(TIP - 9): None}
        electrs.status = 503

        def asked_of_electrs(minutes: int) -> int:
            before = len(electrs.paths)
            source = tiers(tmp_path, node.url, electrs.url, now=NOW + timedelta(minutes=minutes)).sparing()
            for _ in range(20):
                source.status()
                with pytest.raises(BlockAwayError, match="electrs"):
                    served_by(source, TIP - 9)
            return len(electrs.paths) - before

        assert [asked_of_electrs(minutes) for minutes in (0, 9, 11, 20, 32)] == [1, 0, 1, 0, 1]
        electrs.status = None
        source = tiers(tmp_path, node.url, electrs.url, now=NOW + timedelta(hours=2)).sparing()
        source.status()
        assert served_by(source, TIP - 9) == "electrs"


def test_a_disk_that_gives_bad_blocks_is_gone_around(tmp_path: Path) -> None:
    with running(BLOCKS, "regtest") as node, esplora(BLOCKS) as electrs:
        node.instead = {node.hash_at(TIP): BLOCKS[TIP - 1]}
        source = tiers(tmp_path, node.url, electrs.url)
        source.status()
        assert served_by(source) == "electrs"
        alone = tiers(tmp_path, node.url)
        with pytest.raises(BadBlockError, match=r"bitcoind-rest was asked for .*; bitcoind-rpc was asked for"):
            served_by(alone)


def test_a_node_that_is_still_catching_up_is_an_answer(tmp_path: Path) -> None:
    with running(BLOCKS, "regtest") as node, esplora(BLOCKS) as electrs:
        node.syncing = True
        assert tiers(tmp_path, node.url, electrs.url).status().initial_block_download
        assert electrs.asked == {}


def test_when_nobody_answers_the_nodes_own_reason_comes_first_and_no_secret_is_told(tmp_path: Path) -> None:
    with running(BLOCKS) as node:
        node.rest = False
        node.user_password = "me:another"  # noqa: S105 - not the one that is given
        upstreams = Upstreams(
            bitcoin_network="regtest",
            bitcoin_rpc_url=node.url,
            bitcoin_rpc_user="me",
            bitcoin_rpc_password="hunter2",  # noqa: S106
            electrs_api_url=dead(),
            mempool_api_url=dead(),
        )
        source = tiered_blocks(upstreams, tmp_path, lambda: NOW)
        with pytest.raises(NodeUnauthorisedError) as failure:
            source.status()
    reasons = str(failure.value).split("; ")
    assert [word for reason in reasons for word in ("bitcoind", "electrs", "mempool") if reason.startswith(word)] == [
        "bitcoind",
        "bitcoind",
        "electrs",
        "mempool",
    ]
    assert "hunter2" not in str(failure.value) + repr(upstreams)


def test_a_failure_is_remembered_by_the_next_process_until_its_time_is_over(tmp_path: Path) -> None:
    with esplora(BLOCKS) as electrs, esplora(BLOCKS, "/api/v1") as mempool:
        electrs.status = 500
        bitcoind = dead()

        def asked_of_electrs(minutes: int) -> int:
            before = len(electrs.paths)
            source = tiers(tmp_path, bitcoind, electrs.url, mempool.url, now=NOW + timedelta(minutes=minutes))
            source.status()
            served_by(source)
            return len(electrs.paths) - before

        assert [asked_of_electrs(minutes) for minutes in (0, 9, 11, 20, 32)] == [1, 0, 1, 0, 1]
        kept = json.loads((tmp_path / "sources.json").read_text(encoding="utf-8"))
        assert (kept["electrs"]["failures"], "mempool" in kept) == (3, False)
        electrs.status = None
        source = tiers(tmp_path, bitcoind, electrs.url, mempool.url, now=NOW + timedelta(hours=2))
        source.status()
        assert served_by(source) == "electrs"
        assert "electrs" not in json.loads((tmp_path / "sources.json").read_text(encoding="utf-8"))


def test_a_bitcoind_that_was_restarted_is_asked_by_the_next_run(tmp_path: Path) -> None:
    with running(BLOCKS, "regtest") as node, esplora(BLOCKS) as electrs:
        for run in range(6):
            node.warming_up = True
            source = tiers(tmp_path, node.url, electrs.url, now=NOW + timedelta(minutes=20 * run))
            source.status()
            assert served_by(source) == "electrs"
            node.warming_up = False
            source = tiers(tmp_path, node.url, electrs.url, now=NOW + timedelta(minutes=20 * run + 10))
            source.status()
            assert source.name == "bitcoind-rest"


def test_a_state_directory_that_takes_nothing_stops_nobody(tmp_path: Path) -> None:
    with esplora(BLOCKS) as electrs:
        source = tiers(tmp_path / "not there", dead(), electrs.url)
        source.status()
        assert served_by(source) == "electrs"


def test_an_upstream_that_trickles_its_answer_costs_its_time_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_sources, "_QUESTION_SECONDS", 0.3)
    with trickling(ENDLESS_HEAD) as bitcoind, esplora(BLOCKS) as electrs:
        source = tiers(tmp_path, bitcoind, electrs.url)
        source.status()
        assert served_by(source) == "electrs"


def test_an_answer_in_time_is_the_sources_own() -> None:
    with esplora(BLOCKS) as electrs:
        source = TimedBlocks(EsploraBlocks(EsploraHttp(Service("it", electrs.url)), "regtest", lambda: NOW), 30)
        assert source.name == "it"
        assert source.headers(TIP, 1) == [BLOCKS[TIP][:80]]
        electrs.status = 500
        with pytest.raises(NodeError, match="answered 500"):
            source.headers(TIP, 1)


class Asked(EsploraHttp):
    """Notes who would be asked, and asks nobody."""

    services: list[tuple[str, str]]

    def answer(self, path: str) -> Answer:
        self.services.append((self.service.name, self.service.url))
        raise NodeUnreachableError(f"{self.service} is not asked by a test for {path}")


@pytest.mark.parametrize(
    ("network", "allowed", "public"),
    [
        ("main", False, []),
        (
            "main",
            True,
            [
                ("public:mempool.space", "https://mempool.space/api"),
                ("public:blockstream.info", "https://blockstream.info/api"),
            ],
        ),
        ("testnet4", True, [("public:mempool.space", "https://mempool.space/testnet4/api")]),
        ("signet", True, [("public:mempool.space", "https://mempool.space/signet/api")]),
        ("regtest", True, []),
    ],
)
def test_strangers_are_asked_last_and_only_when_they_are_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str, *, allowed: bool, public: list[tuple[str, str]]
) -> None:
    Asked.services = []
    monkeypatch.setattr(block_sources, "EsploraHttp", Asked)
    upstreams = Upstreams(
        bitcoin_network=network,
        bitcoin_rpc_url=dead(),
        electrs_api_url="http://127.0.0.1:3001",
        mempool_api_url="http://127.0.0.1:8999",
        public_fallback_enabled=allowed,
    )
    with pytest.raises(NodeUnreachableError):
        tiered_blocks(upstreams, tmp_path, lambda: NOW).status()
    own = [("electrs", "http://127.0.0.1:3001"), ("mempool", "http://127.0.0.1:8999")]
    assert Asked.services == own + public


# Of the height that the strangers below are asked about.
ASKED, HASH = TIP - 9, double_sha256(BLOCKS[TIP - 9][:80])[::-1].hex()
INFO = {"chain": "regtest", "blocks": TIP, "initialblockdownload": False}
THREE_HEADERS = [BLOCKS[ASKED + each][:80] for each in range(3)]
THREE_HASHES = [double_sha256(each)[::-1].hex() for each in THREE_HEADERS]


def by_rpc(*results: object) -> bytes:
    replies = [{"result": each, "error": None, "id": number} for number, each in enumerate(results)]
    return json.dumps(replies[0] if len(replies) == 1 else replies).encode()


# What a bitcoind with REST and JSON-RPC and an Esplora would say, by what `Stranger` is asked.
RIGHT = {
    "/rest/chaininfo.json": json.dumps(INFO).encode(),
    "/rest/blockhashbyheight/*.bin": bytes.fromhex(HASH)[::-1],
    "/rest/headers/*/*.bin": b"".join(THREE_HEADERS),
    "/rest/block/*.bin": BLOCKS[ASKED],
    "getblockchaininfo": by_rpc(INFO),
    "getblockhash": by_rpc(HASH),
    "getblock": by_rpc(BLOCKS[ASKED].hex()),
    "3 getblockhash": by_rpc(*THREE_HASHES),
    "3 getblockheader": by_rpc(*(each.hex() for each in THREE_HEADERS)),
    "/block-height/0": REGTEST_GENESIS.encode(),
    "/blocks/tip/height": str(TIP).encode(),
    "/block-height/*": HASH.encode(),
    "/block/*/header": THREE_HEADERS[0].hex().encode(),
    "/block/*/raw": BLOCKS[ASKED],
    "/blocks/*": b"[]",
}
# Of refusals that say that there is no such block.
NUMBERS = (b"-5", b"-8")
Said: TypeAlias = Mapping[str, tuple[int, bytes]]


class Stranger(ThreadingHTTPServer):
    """Says to each kind of question what a test puts there."""

    daemon_threads = True
    says: Said

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class StrangersHandler(BaseHTTPRequestHandler):
    server: Stranger

    def do_GET(self) -> None:
        self._say(re.sub(r"[0-9a-f]{64}|[1-9][0-9]*", "*", self.path))

    def do_POST(self) -> None:
        calls = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._say(f"{len(calls)} {calls[0]['method']}" if isinstance(calls, list) else calls["method"])

    def _say(self, kind: str) -> None:
        status, body = self.server.says[kind]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        pass


@pytest.fixture(scope="module")
def stranger() -> Iterator[Stranger]:
    with Stranger(("127.0.0.1", 0), StrangersHandler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def good() -> Iterator[FakeEsplora]:
    with esplora(BLOCKS, "/api/v1") as mempool:
        yield mempool


words = st.sampled_from([*INFO, "result", "error", "code", "message", "id", "version", "bits", HASH, "main", "pruned"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([10**40, -5, 1e308]) | st.floats() | st.text() | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
infos = st.fixed_dictionaries({name: st.just(right) | anything for name, right in INFO.items()})
results = infos | anything
refusals = st.fixed_dictionaries({"code": st.sampled_from([-1, -5, -8, -28]) | anything, "message": words | anything})
replies = st.fixed_dictionaries(
    {"result": results, "error": st.none() | refusals | anything, "id": st.integers(0, 3) | anything}
)
documents = (infos | replies | st.lists(replies, max_size=4) | anything).map(lambda each: json.dumps(each).encode())
brackets = st.builds(
    lambda opening, depth, closing: opening * depth + closing * depth,
    st.sampled_from([b"[", b'{"result":', b'{"error":', b'{"chain":']),
    st.sampled_from([90, 900, 100_000]),
    st.sampled_from([b"", b"]", b"}"]),
)
statuses = st.sampled_from([200, 204, 302, 400, 401, 403, 404, 429, 500, 503]) | st.integers(200, 599)


def damaged(right: bytes, at: int, instead: bytes) -> bytes:
    place = at % (len(right) + 1)
    return right[:place] + instead + right[place + len(instead) :]


def said_to(right: bytes) -> st.SearchStrategy[tuple[int, bytes]]:
    """Whatever may be said where `right` would be."""
    cut = st.integers(0, len(right)).map(lambda end: right[:end])
    damage = st.builds(damaged, st.just(right), st.integers(0, 1 << 20), st.binary(min_size=1, max_size=4))
    bodies = st.just(right) | cut | damage | documents | brackets | st.binary(max_size=200) | st.just(right + right)
    return st.just((200, right)) | st.tuples(st.just(200) | statuses, bodies)


def outcome(question: Callable[[], object], said: Said) -> object:
    """Return the answer, or the error that tells where the chain ends, if anybody can have said that."""
    try:
        return question()
    except BlockUnknownError as error:
        refusals = (said["getblockhash"], said["3 getblockhash"], said["3 getblockheader"])
        assert said["/block-height/*"][0] == 404 or any(number in body for _, body in refusals for number in NUMBERS)
        return error


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.fixed_dictionaries({kind: said_to(right) for kind, right in RIGHT.items()}))
def test_whatever_strangers_say_a_run_ends_in_the_answer_of_the_good_source_behind_them(
    tmp_path: Path, stranger: Stranger, good: FakeEsplora, said: Said
) -> None:
    stranger.says = said
    bodies = [body for _, body in said.values()]

    def fresh() -> FallbackBlockSource:
        # There failures are not remembered.
        return tiers(tmp_path / "not there", stranger.url, stranger.url, good.url)

    assert fresh().proven_block(HASH, read_block).content.raw == BLOCKS[ASKED]

    # An answer is what one of bitcoind's form says of another chain; what Esplora says of a height is proven.
    status = fresh().status()
    assert (type(status.tip_height), type(status.initial_block_download)) == (int, bool)
    assert status == NodeStatus("regtest", TIP, initial_block_download=False) or any(
        str(status.tip_height).encode() in body for body in bodies
    )
    assert re.fullmatch("[a-z0-9]{1,16}", status.network)
    assert 0 <= status.tip_height < 10**9

    # And so is where its chain ends, and which block stands at a height.
    block_hash = outcome(lambda: fresh().block_hash(ASKED), said)
    if isinstance(block_hash, str):
        assert re.fullmatch("[0-9a-f]{64}", block_hash)
        said_hashes = [bytes.fromhex(block_hash)[::-1], block_hash.encode()]
        assert block_hash == HASH or any(each in body for each in said_hashes for body in bodies)
    headers = outcome(lambda: fresh().headers(ASKED, 3), said)
    if isinstance(headers, Sequence):
        assert headers
        assert headers == THREE_HEADERS[: len(headers)]


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b'{"chain":"\xff"}', b"[" * 100_000, b'{"result":' * 100_000, by_rpc(INFO | {"blocks": 1e308})],
    ids=["no text", "no text inside", "lists", "objects", "no height"],
)
@pytest.mark.parametrize("status", [200, 404, 500])
def test_an_answer_that_is_no_json_crashes_no_run(
    tmp_path: Path, stranger: Stranger, good: FakeEsplora, status: int, body: bytes
) -> None:
    stranger.says = dict.fromkeys(RIGHT, (status, body))
    source = tiers(tmp_path, stranger.url, stranger.url, good.url)
    assert source.status() == NodeStatus("regtest", TIP, initial_block_download=False)
    assert source.name == "mempool"
    assert served_by(source) == "mempool"

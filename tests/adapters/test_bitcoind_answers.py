"""The adapter against answers that a healthy bitcoind does not give."""

from __future__ import annotations

import json
import os
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.adapters import bitcoind_http
from app.adapters.bitcoind import block_source, rpc_client
from app.adapters.bitcoind_credentials import UserPassword
from app.adapters.bitcoind_http import PATIENT, BitcoindHttp
from app.adapters.bitcoind_rest import RestBlockSource
from app.adapters.bitcoind_rpc_blocks import RpcBlockSource
from app.services.block_source import (
    BadBlockError,
    BlockSource,
    NodeError,
    NodeNotReadyError,
    NodeStatus,
    NodeUnreachableError,
    OnchainPriceError,
)
from tests.fakes.bitcoin_node import FakeNode, running
from tests.fakes.blocks import Chain
from tests.fakes.trickle import ENDLESS_BODY, trickling

ONE_BLOCK, FOUR_BLOCKS = Chain(), Chain()
ONE_BLOCK.extend()
for _ in range(4):
    FOUR_BLOCKS.extend()


class Upstream(ThreadingHTTPServer):
    """Answers everything with what a test puts there."""

    status = 200
    body = b""


class Handler(BaseHTTPRequestHandler):
    server: Upstream

    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(self.server.body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        pass


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def url_of(upstream: Upstream) -> str:
    return f"http://127.0.0.1:{upstream.server_port}"


def rest(url: str, timeout_seconds: tuple[float, float] = PATIENT) -> BlockSource:
    return RestBlockSource(BitcoindHttp(url, timeout_seconds))


def rpc(url: str, timeout_seconds: tuple[float, float] = PATIENT) -> BlockSource:
    return RpcBlockSource(rpc_client(url, timeout_seconds=timeout_seconds))


both = pytest.mark.parametrize("source_of", [rest, rpc])


@both
def test_a_node_that_starts_up_is_not_ready(source_of: Callable[[str], BlockSource]) -> None:
    with running(ONE_BLOCK.blocks) as node:
        node.warming_up = True
        with pytest.raises(NodeNotReadyError, match=r"is not ready: .*Loading block index"):
            source_of(node.url).status()
        with pytest.raises(NodeNotReadyError, match=r"is not ready: .*Loading block index"):
            source_of(node.url).block_hash(0)


def test_a_node_that_has_too_much_to_do_is_not_ready(upstream: Upstream) -> None:
    upstream.status, upstream.body = 503, b"Work queue depth exceeded"
    with pytest.raises(NodeNotReadyError, match="Work queue depth exceeded"):
        rpc(url_of(upstream)).status()


@both
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"7",
        b'{"result": 1}',
        b'{"result": null, "error": 7}',
        b'{"result": null, "error": {"code": "x", "message": "y"}}',
        b'{"result": {"chain": "main"}, "error": null}',
        b'{"chain": "main", "blocks": "many", "initialblockdownload": false}',
        b"\xff\xfe",
        b'{"chain": "\xff\xfe"}',
        b'{"result": "\xff\xfe"}',
        b"[" * 100_000,
        b'{"result":' * 100_000,
    ],
)
def test_an_answer_that_is_not_bitcoinds_is_no_answer(
    upstream: Upstream, source_of: Callable[[str], BlockSource], body: bytes
) -> None:
    upstream.body = body
    with pytest.raises(NodeError, match="BITCOIN_RPC_URL right"):
        source_of(url_of(upstream)).status()


@both
@pytest.mark.parametrize(
    "odd",
    [
        {"blocks": -5},
        {"blocks": 1e308},
        {"blocks": 10**9},
        {"blocks": 10**100},
        {"blocks": True},
        {"blocks": "7"},
        {"chain": ""},
        {"chain": "main\n"},
        {"chain": "not main"},
        {"chain": "m" * 17},
        {"chain": None},
        {"chain": ["main"]},
        {"initialblockdownload": "no"},
        {"initialblockdownload": None},
    ],
)
def test_a_status_that_no_bitcoind_has_is_not_bitcoinds(
    upstream: Upstream, source_of: Callable[[str], BlockSource], odd: dict[str, object]
) -> None:
    info = {"chain": "main", "blocks": 7, "initialblockdownload": False} | odd
    upstream.body = json.dumps(info | {"result": info, "error": None, "id": 0}).encode()
    with pytest.raises(NodeError, match=r"is not bitcoind; is BITCOIN_RPC_URL right\?"):
        source_of(url_of(upstream)).status()


@both
def test_a_node_on_another_network_that_is_catching_up_says_so(
    upstream: Upstream, source_of: Callable[[str], BlockSource]
) -> None:
    info = {"chain": "testnet4", "blocks": 0, "initialblockdownload": True}
    upstream.body = json.dumps(info | {"result": info, "error": None, "id": 0}).encode()
    assert source_of(url_of(upstream)).status() == NodeStatus("testnet4", 0, initial_block_download=True)


def test_a_web_server_that_has_no_such_page_says_nothing_of_the_chain(upstream: Upstream) -> None:
    upstream.status, upstream.body = 404, b"404 page not found; what was pruned is gone"
    source = rest(url_of(upstream))
    for question in (source.status, lambda: source.block_hash(7), lambda: source.headers(7, 1)):
        with pytest.raises(NodeError, match=r"answered 404 to /rest/.*: 404 page not found"):
            question()


def test_a_refusal_of_something_else_says_nothing_of_a_block(upstream: Upstream) -> None:
    upstream.body = json.dumps({"result": None, "error": {"code": -8, "message": "what " * 1000}, "id": 0}).encode()
    with pytest.raises(NodeError, match="refused getblockchaininfo: what") as failure:
        rpc(url_of(upstream)).status()
    assert len(str(failure.value)) < 400


@pytest.mark.parametrize("body", [b"", b"short", bytes(81)])
def test_rest_answers_of_the_wrong_size_are_refused(upstream: Upstream, body: bytes) -> None:
    upstream.body = body
    with pytest.raises(NodeError, match="is not bitcoind"):
        rest(url_of(upstream)).block_hash(0)
    with pytest.raises(NodeError, match="is not bitcoind"):
        rest(url_of(upstream)).headers(0, 1)


HEADERS = [raw[:80] for raw in FOUR_BLOCKS.blocks.values()]


def instead_of_headers(monkeypatch: pytest.MonkeyPatch, node: FakeNode, given: bytes) -> None:
    """Let `node` give these headers, whichever are asked for."""
    monkeypatch.setattr(node, "headers_from", lambda *_: given)
    monkeypatch.setattr(node, "header", lambda _: given)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (HEADERS[1], BadBlockError),
        (HEADERS[0] + HEADERS[2], BadBlockError),
        (HEADERS[1] + HEADERS[0], BadBlockError),
        (b"".join(HEADERS[:3]), NodeError),
        (bytes(80), BadBlockError),
    ],
    ids=["of another", "with a gap", "in another order", "too many", "of none"],
)
def test_rest_gives_the_headers_that_were_asked_for_or_none(
    monkeypatch: pytest.MonkeyPatch, given: bytes, error: type[OnchainPriceError]
) -> None:
    with running(FOUR_BLOCKS.blocks) as node:
        assert rest(node.url).headers(0, 2) == HEADERS[:2]
        instead_of_headers(monkeypatch, node, given)
        with pytest.raises(error):
            rest(node.url).headers(0, 2)


@pytest.mark.parametrize(
    "given",
    [b"", b"short", bytes(80), HEADERS[1], HEADERS[0] + HEADERS[1]],
    ids=["nothing", "short", "of none", "of another", "long"],
)
def test_json_rpc_gives_the_header_that_was_asked_for_or_none(monkeypatch: pytest.MonkeyPatch, given: bytes) -> None:
    with running(FOUR_BLOCKS.blocks) as node:
        assert rpc(node.url).headers(0, 2) == HEADERS[:2]
        instead_of_headers(monkeypatch, node, given)
        with pytest.raises(BadBlockError, match="was asked for the header of"):
            rpc(node.url).headers(0, 2)


@pytest.mark.parametrize("given", ["zz", "é", 7, None, ["00"], {"00": 1}])
def test_a_block_that_is_not_hexadecimal_is_refused(upstream: Upstream, given: object) -> None:
    upstream.body = json.dumps({"result": given, "error": None, "id": 0}).encode()
    with pytest.raises(NodeError, match="hexadecimal"):
        rpc(url_of(upstream)).raw_block("00" * 32)


@pytest.mark.parametrize("given", ["zz", "0" * 63, "A" * 64, "0" * 64 + "\n", 7, None, ["0" * 64], {}])
def test_a_hash_that_is_none_is_refused(upstream: Upstream, given: object) -> None:
    upstream.body = json.dumps({"result": given, "error": None, "id": 0}).encode()
    with pytest.raises(NodeError, match="the hash of a block"):
        rpc(url_of(upstream)).block_hash(7)


def test_a_password_that_is_not_utf8_is_sent_as_it_is() -> None:
    assert (
        UserPassword("me", os.fsdecode(b"\xff")).authorization() == f"Basic {b64encode(b'me:' + bytes([255])).decode()}"
    )


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [{"id": 1, "result": 1, "error": None}],
        [1, 2],
        "text",
        None,
        {"result": 1, "error": None, "id": 0},
        [{"id": []}],
    ],
)
def test_a_batch_that_is_not_answered_call_by_call_is_refused(upstream: Upstream, answers: object) -> None:
    upstream.body = json.dumps(answers).encode()
    with pytest.raises(NodeError, match="JSON-RPC"):
        rpc_client(url_of(upstream)).batch("getblockhash", [[0], [1]])


@pytest.mark.parametrize("status", [302, 400, 500])
def test_rest_with_another_status_says_so_and_no_redirect_is_followed(upstream: Upstream, status: int) -> None:
    upstream.status, upstream.body = status, b"why"
    with pytest.raises(NodeError, match=f"answered {status} to /rest/block/.*: why"):
        rest(url_of(upstream)).raw_block("00" * 32)


@both
def test_an_answer_without_end_is_cut(upstream: Upstream, source_of: Callable[[str], BlockSource]) -> None:
    upstream.body = bytes(bitcoind_http.MAX_ANSWER_BYTES + 1)
    with pytest.raises(NodeError, match="more than 16000000 bytes"):
        source_of(url_of(upstream)).raw_block("00" * 32)


@both
def test_a_node_that_accepts_and_stays_silent_is_unreachable(source_of: Callable[..., BlockSource]) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(NodeUnreachableError, match="does not answer in time"),
    ):
        source_of(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=(5, 0.2)).status()


@both
def test_a_node_that_trickles_its_answer_is_unreachable(source_of: Callable[..., BlockSource]) -> None:
    with trickling(ENDLESS_BODY) as url, pytest.raises(NodeUnreachableError, match="sends too slowly"):
        source_of(url, timeout_seconds=(5, 0.2)).status()


@both
def test_a_node_that_hangs_up_is_unreachable(source_of: Callable[[str], BlockSource]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            server.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        with pytest.raises(NodeUnreachableError, match="cannot be reached"):
            source_of(f"http://127.0.0.1:{server.getsockname()[1]}").status()


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with running(ONE_BLOCK.blocks) as node:
        assert block_source(node.url).status().tip_height == 0

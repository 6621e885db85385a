"""The adapter against answers that a healthy bitcoind does not give."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.adapters import bitcoind_http
from app.adapters.bitcoind import block_source, rpc_client
from app.adapters.bitcoind_http import PATIENT, BitcoindHttp
from app.adapters.bitcoind_rest import RestBlockSource
from app.adapters.bitcoind_rpc_blocks import RpcBlockSource
from app.services.block_source import BlockSource, NodeError, NodeNotReadyError, NodeUnreachableError
from tests.fakes.bitcoin_node import running
from tests.fakes.blocks import Chain
from tests.fakes.trickle import ENDLESS_BODY, trickling

ONE_BLOCK = Chain()
ONE_BLOCK.extend()


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
    ],
)
def test_an_answer_that_is_not_bitcoinds_is_no_answer(
    upstream: Upstream, source_of: Callable[[str], BlockSource], body: bytes
) -> None:
    upstream.body = body
    with pytest.raises(NodeError, match="BITCOIN_RPC_URL right"):
        source_of(url_of(upstream)).status()


@pytest.mark.parametrize("body", [b"", b"short", bytes(81)])
def test_rest_answers_of_the_wrong_size_are_refused(upstream: Upstream, body: bytes) -> None:
    upstream.body = body
    with pytest.raises(NodeError, match="is not bitcoind"):
        rest(url_of(upstream)).block_hash(0)
    with pytest.raises(NodeError, match="is not bitcoind"):
        rest(url_of(upstream)).headers(0, 1)


def test_a_block_that_is_not_hexadecimal_is_refused(upstream: Upstream) -> None:
    upstream.body = json.dumps({"result": "zz", "error": None, "id": 0}).encode()
    with pytest.raises(NodeError, match="hexadecimal"):
        rpc(url_of(upstream)).raw_block("00" * 32)


@pytest.mark.parametrize("answers", [[], [{"id": 1, "result": 1, "error": None}], [1, 2], "text"])
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

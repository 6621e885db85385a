"""What is told apart beside bitcoind, over real sockets."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.adapters.probes import EsploraProbe, MempoolProbe, UpstreamError
from app.domain.mempool.sight import MempoolSight
from app.services.health import DegradedError, SkippedError
from tests.fakes.published import beside


@contextmanager
def answering(answer: bytes, first_line: bytes = b"") -> Iterator[str]:
    """Answer every connection that begins with `first_line`, and close it; give the URL."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline()
            if line.startswith(first_line):
                while first_line == b"GET" and self.rfile.readline().strip():
                    pass
                self.wfile.write(answer)

    with served_by(Handler) as url:
        yield url


@contextmanager
def served_by(handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


@contextmanager
def over_http(body: bytes, status: str = "200 OK") -> Iterator[str]:
    with answering(http(body, status), b"GET") as url:
        yield url


def test_esplora_says_its_height() -> None:
    with over_http(b"900123") as url:
        assert EsploraProbe(url).probe() == "Esplora at height 900123"


@pytest.mark.parametrize(("body", "status"), [(b"hello", "200 OK"), (b"1", "404 Not Found"), (b"", "200 OK")])
def test_what_is_not_esplora_is_an_error(body: bytes, status: str) -> None:
    with over_http(body, status) as url, pytest.raises(UpstreamError, match="ELECTRS_API_URL"):
        EsploraProbe(url).probe()


def test_an_electrs_without_rest_is_told_apart() -> None:
    with (
        answering(b'{"jsonrpc": "2.0", "result": ["electrs/0.10.9", "1.4"], "id": 0}\n', b"{") as url,
        pytest.raises(DegradedError, match=r"electrs/0\.10\.9 .* Electrum protocol only"),
    ):
        EsploraProbe(url).probe()


def test_an_electrs_without_rest_that_begins_like_http_is_told_apart() -> None:
    """Errors while the body is read are other ones than before it, and must not hide what electrs it is."""
    asked = 0

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            nonlocal asked
            asked += 1
            self.rfile.readline()
            if asked == 1:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n9001")
            else:
                self.wfile.write(b'{"result": ["electrs/0.10.9", "1.4"], "id": 0}\n')

    with (
        served_by(Handler) as url,
        pytest.raises(DegradedError, match=r"electrs/0\.10\.9 .* Electrum protocol only"),
    ):
        EsploraProbe(url).probe()


def test_an_answer_that_stops_half_way_is_told_in_a_sentence() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n9001", b"GET") as url:
        with pytest.raises(UpstreamError, match=rf"^electrs at {url} breaks off its answer \(ProtocolError\)$"):
            EsploraProbe(url).probe()
        with pytest.raises(UpstreamError, match=rf"^the mempool backend at {url} breaks off its answer"):
            MempoolProbe(url).probe()


def test_an_answer_that_hangs_half_way_is_told_in_a_sentence() -> None:
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n9001")
            over.wait()

    with served_by(Handler) as url:
        with pytest.raises(UpstreamError, match=rf"^electrs at {url} does not answer in time$"):
            EsploraProbe(url).probe()
        with pytest.raises(UpstreamError, match=rf"^the mempool backend at {url} does not answer in time$"):
            MempoolProbe(url).probe()
        over.set()


def test_an_operator_without_electrs_is_none_the_worse() -> None:
    for nothing in (None, ""):
        with pytest.raises(SkippedError):
            EsploraProbe(nothing).probe()


def test_nobody_there_is_an_error_that_names_the_address() -> None:
    with over_http(b"") as url:
        pass
    with pytest.raises(UpstreamError, match=url):
        EsploraProbe(url).probe()
    with pytest.raises(UpstreamError, match=url):
        MempoolProbe(url).probe()


def test_mempool_says_its_version() -> None:
    with over_http(b'{"hostname": "node", "version": "3.4-dev", "backend": "none"}') as url:
        assert MempoolProbe(url).probe() == "mempool 3.4-dev"


@pytest.mark.parametrize(
    ("body", "status"), [(b"[]", "200 OK"), (b"<html>", "200 OK"), (b"{}", "404 Not Found"), (b"\xff", "200 OK")]
)
def test_what_is_not_mempool_is_an_error(body: bytes, status: str) -> None:
    with over_http(body, status) as url, pytest.raises(UpstreamError, match="MEMPOOL_API_URL"):
        MempoolProbe(url).probe()


@pytest.mark.parametrize("status", ["429 Too Many Requests", "502 Bad Gateway", "503 Service Unavailable"])
def test_what_is_unwell_itself_is_not_sent_to_another_address(status: str) -> None:
    with over_http(b"{}", status) as url:
        for probe in (EsploraProbe(url), MempoolProbe(url)):
            with pytest.raises(UpstreamError, match=f"answers {status[:3]}: it is overloaded, or its own bitcoind"):
                probe.probe()


def test_esplora_says_how_much_waits() -> None:
    with over_http(b'{"count": 5310, "vsize": 2905000, "total_fee": 12, "fee_histogram": [[53.01, 102131]]}') as url:
        assert EsploraProbe(url).waiting(1) == MempoolSight(5_310, 2_905_000)


def test_mempool_says_how_much_waits_as_a_real_backend_does() -> None:
    rest = json.loads(beside("data/mempool/recorded.json").read_text(encoding="utf-8"))["rest"]
    with over_http(json.dumps(rest["fees/mempool-blocks"]["body"]).encode()) as url:
        found = MempoolProbe(url).waiting(1)
    assert found == MempoolSight(rest["mempool"]["body"]["count"], rest["mempool"]["body"]["vsize"]) == (6, 1350)


def test_what_waits_is_that_of_all_projected_blocks_whose_sizes_may_be_quarters() -> None:
    with over_http(b'[{"nTx": 3, "blockVSize": 997897.5}, {"nTx": 2, "blockVSize": 300.25}]') as url:
        assert MempoolProbe(url).waiting(1) == MempoolSight(5, 998_198)
    with over_http(b"[]") as url:
        assert MempoolProbe(url).waiting(1) == MempoolSight(0, 0)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"endpoint does not exist", "404 Not Found"),
        (b'{"count": 1, "vsize": 141}', "503 Service Unavailable"),
        (b'{"count": -1, "vsize": 141}', "200 OK"),
        (b'{"count": 1, "vsize": 1e300}', "200 OK"),
        (b'[{"nTx": 1}]', "200 OK"),
        (b"<html>", "200 OK"),
        (b"", "200 OK"),
    ],
)
def test_what_waits_is_not_known_of_one_that_says_anything_else(body: bytes, status: str) -> None:
    with over_http(body, status) as url:
        assert EsploraProbe(url).waiting(1) is None
        assert MempoolProbe(url).waiting(1) is None


def test_what_waits_is_not_known_of_one_that_is_away_or_does_not_answer_in_time() -> None:
    with over_http(b"") as url:
        pass
    assert MempoolProbe(url).waiting(1) is None
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert EsploraProbe(f"http://127.0.0.1:{silent.getsockname()[1]}").waiting(0.15) is None

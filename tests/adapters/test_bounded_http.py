"""HTTP that ends, and goes nowhere else, over real sockets."""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.adapters.bounded_http import Answer, BoundedHttp, Bounds, NoAnswerError, TooLargeError, TooSlowError
from tests.fakes.trickle import ENDLESS_BODY, trickling

BOUNDS = Bounds(connect_seconds=5, answer_seconds=5, max_bytes=10_000)


class Server(ThreadingHTTPServer):
    """Answers with the headers and the body that a test puts there; keeps what it was asked."""

    daemon_threads = True
    status = 200
    body = b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[int, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.client_address[1], dict(self.headers)))
        self.send_response(self.server.status)
        length = {} if "Transfer-Encoding" in self.server.headers else {"Content-Length": str(len(self.server.body))}
        for name, value in (length | self.server.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        threading.Thread(target=started.serve_forever, args=(0.01,), daemon=True).start()
        yield started
        started.shutdown()


@pytest.fixture
def http() -> Iterator[BoundedHttp]:
    with BoundedHttp(BOUNDS) as made:
        yield made


@pytest.mark.parametrize("body", [b"", b"x", bytes(10_000)])
def test_an_answer_comes_whole_and_the_connection_is_kept(server: Server, http: BoundedHttp, body: bytes) -> None:
    server.body = body
    assert [http.ask(server.url) for _ in range(3)] == [Answer(200, body)] * 3
    assert len({port for port, _ in server.asked}) == 1


def test_an_answer_in_chunks_comes_whole_and_the_connection_is_kept(server: Server, http: BoundedHttp) -> None:
    server.headers = {"Transfer-Encoding": "chunked"}
    server.body = b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    assert [http.ask(server.url) for _ in range(2)] == [Answer(200, b"abcdefg")] * 2
    assert len({port for port, _ in server.asked}) == 1


def test_a_byte_now_and_then_does_not_keep_us_waiting() -> None:
    a_second_a_look = itertools.count().__next__
    with (
        trickling(ENDLESS_BODY) as url,
        BoundedHttp(BOUNDS, a_second_a_look) as http,
        pytest.raises(TooSlowError, match="sends too slowly"),
    ):
        http.ask(url)


def test_silence_is_no_answer_in_time() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        BoundedHttp(Bounds(5, 0.1, 10_000)) as http,
        pytest.raises(TooSlowError, match="does not answer in time"),
    ):
        http.ask(f"http://127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize("status", [200, 302])
def test_an_answer_without_end_is_cut(server: Server, http: BoundedHttp, status: int) -> None:
    server.status, server.headers, server.body = status, {"Location": server.url}, bytes(10_001)
    with pytest.raises(TooLargeError, match="sends more than 10000 bytes"):
        http.ask(server.url)


def test_an_answer_in_the_smallest_of_chunks_takes_no_more_memory_than_another(server: Server) -> None:
    size = 200_000
    server.headers = {"Transfer-Encoding": "chunked"}
    server.body = b"1\r\nx\r\n" * size + b"0\r\n\r\n"
    with BoundedHttp(Bounds(5, 60, size)) as http:
        tracemalloc.start()
        answer = http.ask(server.url)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert answer.body == b"x" * size
    assert peak_bytes < 10 * size


def test_a_small_answer_that_unpacks_to_a_large_one_is_cut(server: Server, http: BoundedHttp) -> None:
    server.headers, server.body = {"Content-Encoding": "gzip"}, gzip.compress(bytes(5_000_000))
    assert len(server.body) < 10_000
    with pytest.raises(TooLargeError):
        http.ask(server.url)


@pytest.mark.parametrize(
    "headers", [{"Content-Length": "100", "Connection": "close"}, {"Content-Encoding": "gzip"}], ids=["cut", "garbled"]
)
def test_half_an_answer_is_none(server: Server, http: BoundedHttp, headers: dict[str, str]) -> None:
    server.headers, server.body = headers, b"half"
    with pytest.raises(NoAnswerError, match="breaks off its answer"):
        http.ask(server.url)


def test_a_redirect_is_an_answer_like_any_other(server: Server, http: BoundedHttp) -> None:
    server.status, server.headers, server.body = 302, {"Location": server.url}, b"elsewhere"
    assert http.ask(server.url) == Answer(302, b"elsewhere")
    assert len(server.asked) == 1


def test_neither_a_proxy_nor_netrc_has_a_say(
    server: Server, http: BoundedHttp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hunter2\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert http.ask(server.url).status == 200
    assert "Authorization" not in server.asked[0][1]

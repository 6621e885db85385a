"""HTTP by the standard library that ends, over real sockets."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator

import pytest

from app.adapters.http_answer import Answer, Bounds, NoAnswerError, TooLargeError, TooSlowError
from app.adapters.lean_http import LeanHttp
from tests.fakes.scripted_http import ok, scripted_http
from tests.fakes.trickle import ENDLESS_BODY, ENDLESS_HEAD, trickling
from tests.node.bitcoind import free_port

MAX_BYTES = 10_000
BOUNDS = Bounds(connect_seconds=5, answer_seconds=5, max_bytes=MAX_BYTES)


@pytest.fixture
def http() -> Iterator[LeanHttp]:
    made = LeanHttp(BOUNDS)
    yield made
    made.close()


def ask(http: LeanHttp, url: str) -> Answer:
    return http.ask(url, "GET", None, {})


@pytest.mark.parametrize("body", [b"", b"x", bytes(MAX_BYTES)])
def test_an_answer_comes_whole_and_the_connection_is_kept(http: LeanHttp, body: bytes) -> None:
    with scripted_http(ok(body)) as server:
        assert [ask(http, server.url) for _ in range(3)] == [Answer(200, body)] * 3
        assert server.connections == 1


def test_what_is_asked_arrives(http: LeanHttp) -> None:
    with scripted_http(ok(b"", status=b"500 Internal Server Error")) as server:
        assert http.ask(f"{server.url}/", "POST", b"{}", {"Authorization": "Basic x"}) == Answer(500, b"")
        ((line, body, headers, _),) = server.asked
        assert (line, body, headers["Authorization"]) == ("POST / HTTP/1.1", b"{}", "Basic x")


def test_an_answer_in_chunks_comes_whole_and_the_connection_is_kept(http: LeanHttp) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    with scripted_http(chunked) as server:
        assert [ask(http, server.url) for _ in range(2)] == [Answer(200, b"abcdefg")] * 2
        assert server.connections == 1


def test_a_connection_that_the_server_closes_and_says_so_is_made_anew(http: LeanHttp) -> None:
    with scripted_http(ok(b"x", b"Connection: close"), hangs_up=True) as server:
        assert [ask(http, server.url) for _ in range(3)] == [Answer(200, b"x")] * 3
        assert server.connections == 3


def test_a_question_over_a_connection_that_was_closed_while_idle_is_asked_again(http: LeanHttp) -> None:
    with scripted_http(ok(b"x"), hangs_up=True) as server:
        assert [ask(http, server.url) for _ in range(3)] == [Answer(200, b"x")] * 3
        assert server.connections == 3


def test_a_question_is_not_asked_again_and_again(http: LeanHttp) -> None:
    with scripted_http(ok(b"x"), b"", hangs_up=True) as server:
        ask(http, server.url)
        with pytest.raises(NoAnswerError, match="cannot be reached"):
            ask(http, server.url)
        assert len(server.asked) == 2


def test_after_a_failure_the_next_question_goes_over_a_new_connection(http: LeanHttp) -> None:
    with scripted_http(ok(bytes(MAX_BYTES + 1)), ok(b"x")) as server:
        with pytest.raises(TooLargeError):
            ask(http, server.url)
        assert ask(http, server.url) == Answer(200, b"x")


def test_nobody_there_is_no_answer(http: LeanHttp) -> None:
    with pytest.raises(NoAnswerError, match=r"cannot be reached \(ConnectionRefusedError\)"):
        ask(http, f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize("begins_with", [ENDLESS_HEAD, ENDLESS_BODY], ids=["head", "body"])
def test_a_byte_now_and_then_does_not_keep_us_waiting(begins_with: bytes) -> None:
    a_second_a_look = itertools.count().__next__
    with trickling(begins_with) as url, pytest.raises(TooSlowError, match="does not answer in time"):
        ask(LeanHttp(Bounds(5, 50, MAX_BYTES), a_second_a_look), url)


def test_silence_is_no_answer_in_time() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(TooSlowError, match="does not answer in time"),
    ):
        ask(LeanHttp(Bounds(5, 0.1, MAX_BYTES)), f"http://127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize("body", [ok(bytes(MAX_BYTES + 1)), b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1_000_000)])
def test_an_answer_without_end_is_cut(http: LeanHttp, body: bytes) -> None:
    with (
        scripted_http(body, hangs_up=True) as server,
        pytest.raises(TooLargeError, match="sends more than 10000 bytes"),
    ):
        ask(http, server.url)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f",
        b"",
    ],
    ids=["body cut", "chunk cut", "no status", "ZMQ", "nothing"],
)
def test_half_an_answer_is_none(http: LeanHttp, answer: bytes) -> None:
    with scripted_http(answer, hangs_up=True) as server, pytest.raises(NoAnswerError):
        ask(http, server.url)


def test_a_redirect_is_an_answer_like_any_other_and_no_proxy_is_asked(
    http: LeanHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with scripted_http(ok(b"elsewhere", b"Location: http://127.0.0.1:9/", status=b"302 Found")) as server:
        assert ask(http, server.url) == Answer(302, b"elsewhere")

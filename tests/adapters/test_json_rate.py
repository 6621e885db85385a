"""Rates from JSON that the operator named, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.json_rate import JsonExchangeRate, json_source
from app.services.exchange_rate import Quote, RateUnavailableError
from tests.fakes.trickle import ENDLESS_BODY, ENDLESS_HEAD, trickling


class Exchange(ThreadingHTTPServer):
    """Answers every request with whatever a test puts there."""

    daemon_threads = True
    status = 200
    body = b""
    path = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Exchange

    def do_GET(self) -> None:
        self.server.path = self.path
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        pass


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with Exchange(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def _as_new(exchange: Exchange) -> None:
    exchange.status, exchange.body = 200, b""


def quote(exchange: Exchange, path: str, document: Any) -> Quote:  # noqa: ANN401 - JSON
    exchange.body = json.dumps(document).encode()
    return JsonExchangeRate(exchange.url, path).quote()


@pytest.mark.parametrize(
    ("path", "document", "usd"),
    [
        ("usd", {"usd": 98123}, 98_123),
        ("data.amount", {"data": {"amount": "98123.45"}}, 98_123.45),
        ("result.XXBTZUSD.c.0", {"result": {"XXBTZUSD": {"c": ["98123.40000", "0.01"]}}}, 98_123.4),
        ("0.price", [{"price": 98123.45}], 98_123.45),
        ("0.1", [[1.0, 98123.45]], 98_123.45),
        ("0", {"0": 98123}, 98_123),
    ],
)
def test_a_figure_is_found_by_keys_and_indices(exchange: Exchange, path: str, document: object, usd: float) -> None:
    before = datetime.now(UTC)
    found = quote(exchange, path, document)
    assert found.usd == usd
    assert before <= found.quoted_at <= datetime.now(UTC)
    assert found.ratios == {}


@pytest.mark.parametrize(
    "value", ["98,123.45", "98.123,45", "$98123", "", "1e5", " 98123", "NaN", "0x10", "-98123", "٣"]
)
def test_text_that_is_no_plain_decimal_is_no_rate(exchange: Exchange, value: str) -> None:
    with pytest.raises(RateUnavailableError, match="has no number at 'usd', but"):
        quote(exchange, "usd", {"usd": value})


@pytest.mark.parametrize("value", [None, True, [98123], {"usd": 98123}])
def test_what_is_no_number_is_no_rate(exchange: Exchange, value: object) -> None:
    with pytest.raises(RateUnavailableError, match="has no number at 'usd', but"):
        quote(exchange, "usd", {"usd": value})


@pytest.mark.parametrize("value", [-1, 0, "0.0", 0.99, 1e15, 10**400, "99999999999999999999"])
def test_what_no_bitcoin_can_cost_is_no_rate(exchange: Exchange, value: object) -> None:
    with pytest.raises(RateUnavailableError, match="is not plausible"):
        quote(exchange, "usd", {"usd": value})


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("usd.last", "usd"),
        ("data.1", "1"),
        ("data.-1", "-1"),
        ("data.x", "x"),
        ("deep.x.y", "x"),
        (".", ""),
        ("a..b", "a"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(exchange: Exchange, path: str, missing: str) -> None:
    with pytest.raises(RateUnavailableError, match=f"has no '{missing}' on the way to .*; correct RATE_SOURCES"):
        quote(exchange, path, {"data": [98123], "deep": 98123})


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"usd": 98123', b'{"usd": NaN}', b"\xff", b"[" * 500_000])
def test_what_is_no_json_is_no_rate(exchange: Exchange, body: bytes) -> None:
    exchange.body = body
    with pytest.raises(RateUnavailableError, match="did not answer with JSON"):
        JsonExchangeRate(exchange.url, "usd").quote()


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_comes_is_a_rate_or_says_why_not(exchange: Exchange, document: object) -> None:
    try:
        found = quote(exchange, "0.usd", document)
    except RateUnavailableError:
        return
    assert 1 <= found.usd <= 1e9


@pytest.mark.parametrize("status", [404, 429, 503, 302])
def test_any_other_status_says_so_without_what_the_address_may_hold_as_a_key(exchange: Exchange, status: int) -> None:
    exchange.status = status
    with pytest.raises(RateUnavailableError, match=rf":\d+ answered {status}") as refused:
        JsonExchangeRate(f"{exchange.url}/v2/ticker?key=hunter2", "usd").quote()
    assert exchange.path == "/v2/ticker?key=hunter2"
    assert "hunter2" not in str(refused.value)


def test_an_answer_without_end_is_no_rate(exchange: Exchange) -> None:
    exchange.body = b" " * 1_048_577
    with pytest.raises(RateUnavailableError, match="sends more than 1048576 bytes"):
        JsonExchangeRate(exchange.url, "usd").quote()


@pytest.mark.parametrize("begins_with", [ENDLESS_HEAD, ENDLESS_BODY], ids=["head", "body"])
def test_a_source_that_trickles_its_answer_does_not_keep_the_run_waiting(begins_with: bytes) -> None:
    with trickling(begins_with) as url, pytest.raises(RateUnavailableError, match=r"not done within 0\.2 s"):
        JsonExchangeRate(url, "usd", patience_seconds=0.2).quote()


def test_a_source_that_is_away_is_unavailable() -> None:
    with pytest.raises(RateUnavailableError, match=r"^http://127\.0\.0\.1:9 cannot be reached"):
        JsonExchangeRate("http://127.0.0.1:9/ticker?key=hunter2", "usd").quote()


def test_a_setting_names_the_source_its_address_and_its_path(exchange: Exchange) -> None:
    exchange.body = b'{"result": {"c": ["98123.4"]}}'
    source = json_source(f"my-exchange={exchange.url}/ticker?pair=XBTUSD#result.c.0")
    assert source.name == "my-exchange"
    assert source.rate.quote().usd == 98_123.4
    assert exchange.path == "/ticker?pair=XBTUSD"

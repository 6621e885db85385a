"""The mempool backend's exchange rate, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.adapters.mempool import MempoolExchangeRate
from app.services.exchange_rate import Quote, RateUnavailableError
from tests.fakes.trickle import ENDLESS_BODY, ENDLESS_HEAD, trickling


class Backend(ThreadingHTTPServer):
    """Answers `/api/v1/prices` with whatever a test puts there."""

    daemon_threads = True
    status = 200
    body = b""
    authorization: str | None = None


class Handler(BaseHTTPRequestHandler):
    server: Backend

    def do_GET(self) -> None:
        found = self.path == "/api/v1/prices"
        self.server.authorization = self.headers["Authorization"]
        self.send_response(self.server.status if found else 404)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        pass


@pytest.fixture
def backend() -> Iterator[Backend]:
    with Backend(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def rate_of(backend: Backend) -> MempoolExchangeRate:
    return MempoolExchangeRate(f"http://127.0.0.1:{backend.server_port}")


def test_a_quote_carries_its_own_time(backend: Backend) -> None:
    backend.body = json.dumps({"time": 1_718_445_600, "USD": 66_123, "EUR": 61_500}).encode()
    assert rate_of(backend).quote() == Quote(66_123.0, datetime(2024, 6, 15, 10, tzinfo=UTC), {"EUR": 0.930085})


def test_other_currencies_are_ratios_to_the_dollar_where_the_backend_knows_them(backend: Backend) -> None:
    known = b'"EUR": 90000, "JPY": 15000000, "GBP": 75000.5'
    unknown = b'"CHF": -1, "CAD": 0, "AUD": null, "SEK": "9", "NOK": true, "DKK": 1e300, "ISK": 1e999, "NZD": 1e-9'
    foreign = b'"eur": 1, "EURO": 2, "X-1": 3, "source": {"EUR": 4}'
    backend.body = b'{"time": 1718445600, "USD": 100000, %s, %s, %s}' % (known, unknown, foreign)
    assert rate_of(backend).quote().ratios == {"EUR": 0.9, "JPY": 150.0, "GBP": 0.750005}


def test_what_a_recorded_backend_without_quotes_says_is_none(backend: Backend) -> None:
    backend.body = b'{"time": 0, "USD": -1, "EUR": -1, "GBP": -1, "CAD": -1, "CHF": -1, "AUD": -1, "JPY": -1}'
    with pytest.raises(RateUnavailableError, match="no exchange rate yet"):
        rate_of(backend).quote()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"time": 1718445600, "USD": -1}', "no exchange rate yet"),
        (b'{"time": 0, "USD": 66000}', "no exchange rate yet"),
        (b'{"time": 1718445600, "USD": 0}', "not plausible"),
        (b'{"time": 1718445600, "USD": -5}', "not plausible"),
        (b'{"time": 1718445600, "USD": 0.99}', "not plausible"),
        (b'{"time": 1718445600, "USD": 1e-308}', "not plausible"),
        (b'{"time": 1718445600, "USD": 1000000001}', "not plausible"),
        (b'{"time": 1718445600, "USD": 1e15}', "not plausible"),
        (b'{"time": 1718445600, "USD": 1e999}', "did not answer with prices"),
        (b'{"time": 1718445600, "USD": NaN}', "did not answer with prices"),
        (b'{"time": 1718445600, "USD": true}', "did not answer with prices"),
        (b'{"time": 1718445600, "USD": null}', "did not answer with prices"),
        (b'{"time": 99999999999999999, "USD": 66000}', "impossible time"),
        (b'{"time": 1718445600}', "did not answer with prices"),
        (b'{"time": 1718445600, "USD": "66000"}', "did not answer with prices"),
        (b"<html>", "did not answer with prices"),
        (b'{"time": 1718445600, "USD": 66000, "\xff": 1}', "did not answer with prices"),
        (b'{"time": 1718445600, "USD": 66000, "EUR": ' + b"[" * 60_000, "did not answer with prices"),
        (b"", "did not answer with prices"),
    ],
)
def test_what_is_no_rate_is_never_one(backend: Backend, body: bytes, reason: str) -> None:
    backend.body = body
    with pytest.raises(RateUnavailableError, match=reason):
        rate_of(backend).quote()


@pytest.mark.parametrize("status", [404, 503, 302])
def test_any_other_status_says_so_and_no_redirect_is_followed(backend: Backend, status: int) -> None:
    backend.status = status
    with pytest.raises(RateUnavailableError, match=f"answered {status}"):
        rate_of(backend).quote()


def test_a_backend_that_is_away_is_unavailable(backend: Backend) -> None:
    port = backend.server_port
    backend.server_close()
    with pytest.raises(RateUnavailableError, match="cannot be reached"):
        MempoolExchangeRate(f"http://127.0.0.1:{port}").quote()


def test_the_quote_is_asked_for_without_a_proxy_and_without_netrc(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hunter2\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    backend.body = b'{"time": 1718445600, "USD": 66123}'
    assert rate_of(backend).quote().usd == 66_123
    assert backend.authorization is None


def test_an_answer_without_end_is_no_rate(backend: Backend) -> None:
    backend.body = b'{"time": 1718445600, "USD": 66123}' + b" " * 100_000
    with pytest.raises(RateUnavailableError, match="sends more than 65536 bytes"):
        rate_of(backend).quote()


@pytest.mark.parametrize("begins_with", [ENDLESS_HEAD, ENDLESS_BODY], ids=["head", "body"])
def test_a_backend_that_trickles_its_answer_does_not_keep_the_run_waiting(begins_with: bytes) -> None:
    with trickling(begins_with) as url, pytest.raises(RateUnavailableError, match=r"not done within 0\.2 s"):
        MempoolExchangeRate(url, patience_seconds=0.2).quote()

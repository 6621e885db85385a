"""Exchange rates of the past, from a stand-in backend over HTTP."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from app.adapters.mempool_history import MempoolRateHistory
from app.services.exchange_rate import Quote
from tests.node.bitcoind import free_port

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Backend:
    """Answers as mempool's backend does: the newest price up to the time, from a table in its database."""

    def __init__(self, prices: dict[datetime, float]) -> None:
        self.prices = {int(at.timestamp()): usd for at, usd in prices.items()}
        self.asked: list[int] = []

    def answer(self, timestamp: int, currency: str) -> tuple[int, object]:
        self.asked.append(timestamp)
        times = [at for at in self.prices if at <= timestamp]
        assert currency == "USD"
        return 200, {
            "prices": [{"time": max(times), "USD": self.prices[max(times)]}] if times else [],
            "exchangeRates": {"USDEUR": 0.92},
        }


@contextmanager
def serving(answer: Callable[[int, str], tuple[int, object]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            assert asked.path == "/api/v1/historical-price"
            query = parse_qs(asked.query)
            status, told = answer(int(query["timestamp"][0]), query["currency"][0])
            body = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_each_slot_has_the_newest_rate_of_its_time_for_one_question_an_hour() -> None:
    backend = Backend({NOON + each * HOUR: 60_000.0 + each for each in range(-1, 4)})
    with serving(backend.answer) as url:
        history = MempoolRateHistory(url, 2 * HOUR)
        slots = [NOON + each * timedelta(minutes=10) for each in range(18)]
        for slot in slots:
            hour = slot.replace(minute=0)
            assert history.rate_at(slot) == Quote(60_000.0 + (hour - NOON) / HOUR, hour)
        assert len(backend.asked) == 3
        for slot in reversed(slots[-6:]):
            assert history.rate_at(slot) is not None
        assert len(backend.asked) == 3


def test_a_rate_that_was_quoted_later_is_never_used() -> None:
    backend = Backend({NOON - HOUR / 2: 60_000.0, NOON + HOUR / 3: 61_000.0})
    with serving(backend.answer) as url:
        history = MempoolRateHistory(url, 2 * HOUR)
        assert history.rate_at(NOON) == Quote(60_000.0, NOON - HOUR / 2)
        assert history.rate_at(NOON + HOUR / 2) == Quote(61_000.0, NOON + HOUR / 3)
        assert history.rate_at(NOON - HOUR) is None


def test_a_rate_older_than_that_of_a_live_run_may_be_counts_as_missing() -> None:
    with serving(Backend({NOON: 60_000.0}).answer) as url:
        history = MempoolRateHistory(url, 2 * HOUR)
        assert history.rate_at(NOON + 2 * HOUR) is not None
        assert history.rate_at(NOON + 2 * HOUR + timedelta(minutes=10)) is None


@pytest.mark.parametrize("usd", [-1, 0, 1e12])
def test_what_is_no_rate_is_none_and_the_next_is_asked_for(usd: float) -> None:
    backend = Backend({NOON: usd, NOON + HOUR: 60_000.0})
    with serving(backend.answer) as url:
        history = MempoolRateHistory(url, 2 * HOUR)
        assert history.rate_at(NOON) is None
        assert history.rate_at(NOON + HOUR) == Quote(60_000.0, NOON + HOUR)


@pytest.mark.parametrize("stamped", ["-1" + "0" * 330, "1" + "0" * 330])
def test_a_time_that_no_clock_can_show_is_no_rate(stamped: str) -> None:
    body = f'{{"prices":[{{"time":{stamped},"USD":60000}}]}}'.encode()
    with serving(lambda _timestamp, _currency: (200, body)) as url:
        history = MempoolRateHistory(url, 2 * HOUR)
        assert [history.rate_at(NOON + each * timedelta(minutes=10)) for each in range(3)] == [None] * 3


class Clock:
    """Goes on only when a test lets it."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


SLOTS = [NOON + each * timedelta(minutes=10) for each in range(2_000)]
HOURLY = {NOON + each * HOUR: 60_000.0 + each for each in range(400)}


def rows_without(history: MempoolRateHistory, clock: Clock, seconds_a_row: float, slots: list[datetime]) -> int:
    """Return how many of `slots` get no rate, when each row takes its time."""
    without = 0
    for slot in slots:
        without += history.rate_at(slot) is None
        clock.seconds += seconds_a_row
    return without


def test_one_bad_answer_costs_the_rows_of_a_second(caplog: pytest.LogCaptureFixture) -> None:
    backend, clock = Backend(HOURLY), Clock()
    outages = {5: (503, b"restarting"), 9: (200, b"<html>")}

    def answer(timestamp: int, currency: str) -> tuple[int, object]:
        told = backend.answer(timestamp, currency)
        return outages.get(len(backend.asked), told)

    with serving(answer) as url:
        history = MempoolRateHistory(url, 2 * HOUR, clock=clock)
        assert rows_without(history, clock, 0.25, SLOTS) == 2 * 4
    assert [record.__dict__["reason"].partition(" ")[2] for record in caplog.records] == [
        "answered 503",
        "did not answer with prices: JSON is malformed: invalid character (byte 0)",
    ]


def test_an_outage_of_minutes_costs_its_own_rows_and_about_as_many_again(caplog: pytest.LogCaptureFixture) -> None:
    backend, clock = Backend(HOURLY), Clock()
    back_at = clock.seconds + 120

    def answer(timestamp: int, currency: str) -> tuple[int, object]:
        told = backend.answer(timestamp, currency)
        return told if clock.seconds >= back_at else (502, b"")

    with serving(answer) as url:
        history = MempoolRateHistory(url, 2 * HOUR, clock=clock)
        assert 120 <= rows_without(history, clock, 1, SLOTS) <= 250
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, b"Prices are not available on testnets.", "answered 400"),
        (500, {"error": "Failed to get historical prices"}, "answered 500"),
        (200, b"<html>", "did not answer with prices"),
        (200, {"prices": [{"time": "now", "USD": 1}]}, "did not answer with prices"),
    ],
)
def test_a_backend_that_stays_broken_is_asked_more_and_more_rarely_and_complained_of_once(
    caplog: pytest.LogCaptureFixture, status: int, body: object, reason: str
) -> None:
    asked: list[int] = []
    clock = Clock()

    def answer(timestamp: int, _currency: str) -> tuple[int, object]:
        asked.append(timestamp)
        return status, body

    with serving(answer) as url:
        history = MempoolRateHistory(url, 2 * HOUR, clock=clock)
        # Ten pauses until they are of ten minutes; the rows take five and a half hours.
        assert rows_without(history, clock, 10, SLOTS) == len(SLOTS)
    assert 30 <= len(asked) <= 10 + 10 * len(SLOTS) // 600
    (record,) = caplog.records
    assert reason in record.__dict__["reason"]


def test_a_backend_without_a_history_is_asked_once_however_long_it_takes(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[int] = []
    clock = Clock()

    def answer(timestamp: int, _currency: str) -> tuple[int, object]:
        asked.append(timestamp)
        return 404, b"Cannot GET /api/v1/historical-price"

    with serving(answer) as url:
        history = MempoolRateHistory(url, 2 * HOUR, clock=clock)
        assert rows_without(history, clock, 86_400, SLOTS) == len(SLOTS)
    assert len(asked) == 1
    (record,) = caplog.records
    assert "no database, or no indexing" in record.__dict__["reason"]


@pytest.mark.parametrize("every", [1, 2], ids=["always", "every other time"])
def test_a_backend_that_hangs_takes_a_tenth_of_the_time_at_the_most(every: int) -> None:
    backend, clock, numbers = Backend(HOURLY), Clock(), itertools.count()
    waits: list[float] = []

    def answer(timestamp: int, currency: str) -> tuple[int, object]:
        if next(numbers) % every:
            return backend.answer(timestamp, currency)
        waits.append(10)
        clock.seconds += 10
        return 504, b""

    with serving(answer) as url:
        history = MempoolRateHistory(url, 2 * HOUR, clock=clock)
        begun = clock.seconds
        rows_without(history, clock, 1, SLOTS)
    assert waits
    # The last pause may not be over.
    assert sum(waits) - 10 <= (clock.seconds - begun) / 10


def test_a_backend_that_is_silent_is_waited_for_once_at_first(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        history = MempoolRateHistory(url, 2 * HOUR, patience_seconds=0.2, clock=Clock())
        assert [history.rate_at(slot) for slot in SLOTS] == [None] * len(SLOTS)
    (record,) = caplog.records
    assert "not done within 0.2 s" in record.__dict__["reason"]


def test_a_backend_that_is_away_is_waited_for_once_at_first(caplog: pytest.LogCaptureFixture) -> None:
    history = MempoolRateHistory(f"http://127.0.0.1:{free_port()}", 2 * HOUR, clock=Clock())
    assert [history.rate_at(slot) for slot in SLOTS] == [None] * len(SLOTS)
    assert len(caplog.records) == 1

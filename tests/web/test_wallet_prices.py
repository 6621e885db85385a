"""Prices as a mempool backend tells them, for wallets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event
from werkzeug.test import TestResponse

from app.adapters.database.engine import Database
from tests.fakes.web_application import WebApplication

PATH = "/api/v1/prices"
NOW = datetime(2026, 11, 24, 12, 34, 56, tzinfo=UTC)
SLOT_SECONDS = int(datetime(2026, 11, 24, 12, 30, tzinfo=UTC).timestamp())


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def public(sqlite_database: Database, clock: Clock) -> WebApplication:
    """The application with WALLET_PRICES_PUBLIC, at a time of the test's."""
    return WebApplication(sqlite_database, clock=clock, values={"wallet_prices_public": True})


def get(web: WebApplication, status: int = 200) -> TestResponse:
    answer = web.client().get(PATH)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer


def test_a_price_has_mempools_shape_in_whole_dollars(public: WebApplication) -> None:
    public.keep(utxoracle_price=101_234.56)
    answer = get(public)
    assert answer.get_data() == b'{"time":%d,"USD":101235}' % SLOT_SECONDS
    assert answer.mimetype == "application/json"
    assert "X-Utxoracle-Derived" not in answer.headers


def test_other_currencies_follow_from_our_price_and_are_marked_outside_of_the_body(public: WebApplication) -> None:
    public.keep(utxoracle_price=100_000.0, exchange_price=90_000.0, exchange_ratios={"EUR": 0.92, "JPY": 152.0})
    answer = get(public)
    assert answer.get_json() == {"time": SLOT_SECONDS, "USD": 100_000, "EUR": 92_000, "JPY": 15_200_000}
    assert answer.headers["X-Utxoracle-Derived"] == "EUR, JPY"
    assert all(type(value) is int for value in answer.get_json().values())


def test_what_rounds_to_nothing_is_left_out(public: WebApplication) -> None:
    public.keep(utxoracle_price=100.0, exchange_ratios={"EUR": 0.92, "XXX": 0.004})
    answer = get(public)
    assert answer.get_json() == {"time": SLOT_SECONDS, "USD": 100, "EUR": 92}
    assert answer.headers["X-Utxoracle-Derived"] == "EUR"


def test_only_a_valid_price_is_told(public: WebApplication) -> None:
    public.keep(slots_ago=1, utxoracle_price=100_000.0)
    public.keep(utxoracle_price=50_000.0, is_valid=False, invalid_reason="too_few_points")
    assert get(public).get_json() == {"time": SLOT_SECONDS - 600, "USD": 100_000}


def test_a_run_without_a_quote_does_not_take_the_currencies_away(public: WebApplication) -> None:
    public.keep(slots_ago=2, exchange_ratios={"EUR": 0.90})
    public.keep(slots_ago=1, utxoracle_price=None, is_valid=False, invalid_reason="x", exchange_ratios={"EUR": 0.92})
    public.keep(utxoracle_price=100_000.0, exchange_price=None)
    assert get(public).get_json()["EUR"] == 92_000


def test_a_ratio_that_is_too_old_is_no_ratio(public: WebApplication) -> None:
    public.keep(slots_ago=13, exchange_ratios={"EUR": 0.92})
    public.keep()
    assert "EUR" not in get(public).get_json()


def test_without_a_valid_price_there_is_none(public: WebApplication) -> None:
    assert get(public, 404).get_json()["code"] == "NO_DATA"
    public.keep(utxoracle_price=None, is_valid=False, invalid_reason="not_enough_data")
    assert get(public, 404).get_json()["code"] == "NO_DATA"


def test_a_price_of_yesterday_is_not_told_as_that_of_now(public: WebApplication, clock: Clock) -> None:
    timestamp = public.keep()
    clock.now = timestamp + timedelta(hours=2)
    assert get(public).get_json()["time"] == SLOT_SECONDS
    clock.now += timedelta(seconds=1)
    stale = get(public, 503)
    assert stale.get_json()["code"] == "STALE"
    assert stale.get_json()["detail"].startswith("The newest valid price is of 2026-11-24T12:30:00+00:00")
    assert int(stale.headers["Retry-After"]) > 0
    public.keep()
    get(public)


def test_a_price_of_the_future_is_not_that_of_now(public: WebApplication, clock: Clock) -> None:
    clock.now = NOW + timedelta(days=1)
    public.keep(utxoracle_price=1.0)
    clock.now = NOW
    public.keep(utxoracle_price=100_000.0)
    assert get(public).get_json() == {"time": SLOT_SECONDS, "USD": 100_000}


def test_without_the_setting_it_takes_a_token(web: WebApplication) -> None:
    web.keep()
    assert web.client().get(PATH).status_code == 401
    assert web.client().get(PATH, headers=web.bearer()).status_code == 200


def test_with_the_setting_a_stranger_and_one_with_a_bad_token_are_answered_alike(public: WebApplication) -> None:
    public.keep()
    answer = public.client().get(PATH, headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.get_data()) == (200, get(public).get_data())


def test_with_the_setting_nothing_else_becomes_public(public: WebApplication) -> None:
    assert public.client().get("/api/prices/latest").status_code == 401
    document = public.client().get("/api/openapi.json")
    assert document.status_code == 401


def test_a_stranger_is_stopped_by_the_limit_of_everybody(sqlite_database: Database, clock: Clock) -> None:
    values = {"wallet_prices_public": True, "requests_per_minute": 3}
    web = WebApplication(sqlite_database, clock=clock, values=values)
    web.keep()
    assert [web.client().get(PATH).status_code for _ in range(4)] == [200, 200, 200, 429]


def test_a_wallet_that_knows_the_price_is_told_only_that_it_still_holds(public: WebApplication) -> None:
    public.keep(exchange_ratios={"EUR": 0.92})
    tag = {"If-None-Match": get(public).headers["ETag"]}
    same = public.client().get(PATH, headers=tag)
    assert (same.status_code, same.get_data()) == (304, b"")
    public.keep(utxoracle_price=99_000.0)
    assert public.client().get(PATH, headers=tag).status_code == 200


def test_asking_again_reads_no_prices(public: WebApplication) -> None:
    public.keep(exchange_ratios={"EUR": 0.92})
    first = get(public).get_data()
    read: list[str] = []
    event.listen(public.database.engine, "before_cursor_execute", lambda *given: read.append(given[2]))
    assert get(public).get_data() == first
    assert not [statement for statement in read if "utxoracle_price" in statement]


def test_its_being_public_is_in_the_description(public: WebApplication) -> None:
    public.add_account()
    document = public.client().get("/api/openapi.json", headers=public.bearer()).get_json()
    assert document["paths"][PATH]["get"]["security"] == []

"""How often a client may ask, whoever it says it is."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from app.adapters.database.engine import Database
from tests.fakes.web_application import WebApplication

PATH = "/api/prices/comparison"
PROXY, STRANGER = {"REMOTE_ADDR": "127.0.0.1"}, {"REMOTE_ADDR": "198.51.100.7"}


@pytest.fixture
def limited(sqlite_database: Database) -> WebApplication:
    """The application, with 3 requests a minute and two proxies."""
    values = {"requests_per_minute": 3, "trusted_proxies": ["127.0.0.1", "10.0.0.1"]}
    web = WebApplication(sqlite_database, values=values)
    web.add_account()
    return web


def statuses(web: WebApplication, times: int, environ: dict[str, str], forwarded_for: str | None = None) -> list[int]:
    client: FlaskClient = web.client()
    headers = web.bearer() | ({"X-Forwarded-For": forwarded_for} if forwarded_for else {})
    return [client.get(PATH, headers=headers, environ_base=environ).status_code for _ in range(times)]


def test_one_client_is_stopped_and_others_are_not(limited: WebApplication) -> None:
    assert statuses(limited, 4, PROXY, "203.0.113.1") == [200, 200, 200, 429]
    assert statuses(limited, 1, PROXY, "203.0.113.2") == [200]


def test_refusals_count_too_so_that_tokens_cannot_be_guessed(limited: WebApplication) -> None:
    client = limited.client()
    assert [client.get(PATH).status_code for _ in range(4)] == [401, 401, 401, 429]


def test_all_routes_count_together(limited: WebApplication) -> None:
    client = limited.client()
    paths = [PATH, "/api/prices/historical", "/metrics", "/api/openapi.json"]
    assert [client.get(path).status_code for path in paths] == [401, 401, 401, 429]


def test_asking_for_what_is_not_there_or_in_a_way_that_is_not_counts_as_well(limited: WebApplication) -> None:
    client = limited.client()
    answers = [client.get("/nothing"), client.delete(PATH), client.get("/api/nothing"), client.get("/wp-login.php")]
    assert [each.status_code for each in answers] == [404, 405, 404, 429]
    assert [each.headers["RateLimit-Remaining"] for each in answers] == ["2", "1", "0", "0"]
    assert client.post("/metrics").status_code == 429


def test_the_address_of_a_stranger_is_his_own_whatever_he_says(limited: WebApplication) -> None:
    answers = [statuses(limited, 1, STRANGER, f"203.0.113.{last}")[0] for last in range(4)]
    assert answers == [200, 200, 200, 429]


def test_behind_a_proxy_only_its_own_entry_counts(limited: WebApplication) -> None:
    answers = [statuses(limited, 1, PROXY, f"203.0.113.{last}, 203.0.113.99")[0] for last in range(4)]
    assert answers == [200, 200, 200, 429]


def test_behind_two_proxies_the_entry_of_the_outer_one_counts(limited: WebApplication) -> None:
    answers = [statuses(limited, 1, PROXY, f"203.0.113.{last}, 10.0.0.1")[0] for last in range(4)]
    assert answers == [200, 200, 200, 200]
    assert statuses(limited, 4, PROXY, "203.0.113.50, 10.0.0.1") == [200, 200, 200, 429]


def test_an_ipv6_network_is_one_client(limited: WebApplication) -> None:
    answers = [statuses(limited, 1, PROXY, f"2001:db8::{last}")[0] for last in range(1, 5)]
    assert answers == [200, 200, 200, 429]
    assert statuses(limited, 1, PROXY, "2001:db8:0:1::1") == [200]


def test_ipv4_clients_are_told_apart_when_the_server_listens_on_ipv6(limited: WebApplication) -> None:
    answers = [statuses(limited, 1, {"REMOTE_ADDR": f"::ffff:198.51.100.{last}"})[0] for last in range(4)]
    assert answers == [200, 200, 200, 200]
    assert statuses(limited, 3, {"REMOTE_ADDR": "198.51.100.1"}) == [200, 200, 429]


def test_a_trusted_proxy_is_known_when_the_server_listens_on_ipv6(limited: WebApplication) -> None:
    proxy = {"REMOTE_ADDR": "::ffff:127.0.0.1"}
    answers = [statuses(limited, 1, proxy, f"203.0.113.{last}, ::ffff:10.0.0.1")[0] for last in range(4)]
    assert answers == [200, 200, 200, 200]


@pytest.mark.parametrize("nonsense", ["", ",", "unknown", "x" * 300, "203.0.113.1, ", "fe80::1%eth0"])
def test_an_entry_that_is_no_address_is_no_error(limited: WebApplication, nonsense: str) -> None:
    assert statuses(limited, 1, PROXY, nonsense) == [200]


def test_clients_are_told_how_much_is_left(limited: WebApplication) -> None:
    client = limited.client()
    left = []
    for _ in range(4):
        answer = client.get(PATH, headers=limited.bearer())
        assert answer.headers["RateLimit-Limit"] == "3"
        assert 1 <= int(answer.headers["RateLimit-Reset"]) <= 61
        left.append(answer.headers["RateLimit-Remaining"])
    assert left == ["2", "1", "0", "0"]
    assert answer.status_code == 429
    assert answer.get_json()["code"] == "RATE_LIMITED"
    assert 1 <= int(answer.headers["Retry-After"]) <= 61


def test_health_and_files_may_be_asked_for_as_often_as_one_likes(limited: WebApplication) -> None:
    client = limited.client()
    for path in ["/health/live", "/static/appliance.css"]:
        answers = [client.get(path, buffered=True).status_code for _ in range(6)]
        assert set(answers) == {200}


def test_pages_of_allowed_origins_may_read_answers_and_others_not(limited: WebApplication) -> None:
    client = limited.client()
    friend = {"Origin": "https://friend.example"}
    asked = client.options(PATH, headers=friend | {"Access-Control-Request-Method": "GET"})
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, "https://friend.example")
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
    answer = client.get(PATH, headers=friend | limited.bearer())
    assert answer.headers["Access-Control-Allow-Origin"] == "https://friend.example"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    for origin in ("https://other.example", "null", "https://friend.example.evil.example"):
        foreign = {"Origin": origin}
        assert "Access-Control-Allow-Origin" not in client.get("/health/live", headers=foreign).headers
        refused = client.options(PATH, headers=foreign | {"Access-Control-Request-Method": "GET"})
        assert "Access-Control-Allow-Origin" not in refused.headers

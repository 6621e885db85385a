"""Prices over REST, from the real database."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from tests.fakes.web_application import WebApplication

BASE = "/api/prices"
DAY = timedelta(days=1)


def get(web: WebApplication, path: str, status: int = 200, /, **query: Any) -> Any:  # noqa: ANN401 - JSON
    answer = web.client().get(f"{BASE}/{path}", headers=web.bearer(), query_string=query)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_json()


def test_an_empty_database_is_no_error(web: WebApplication) -> None:
    assert get(web, "latest", 404)["code"] == "NO_DATA"
    history = get(web, "historical")
    assert (history["items"], history["count"], history["next_cursor"]) == ([], 0, None)
    comparison = get(web, "comparison")
    assert comparison["count"] == comparison["valid_count"] == comparison["compared_count"] == 0
    assert comparison["mean_difference"] is comparison["median_difference"] is None


def test_the_latest_row_says_its_age(web: WebApplication) -> None:
    web.keep(slots_ago=1, utxoracle_price=1.0)
    timestamp = web.keep()
    row = get(web, "latest")
    assert row["timestamp"] == timestamp.isoformat()
    assert (row["utxoracle_price"], row["exchange_price"]) == (101_000.0, 100_000.0)
    assert (row["difference"], row["difference_percent"]) == (1000.0, 1.0)
    assert 0 <= row["age_seconds"] - (datetime.now(UTC) - timestamp).total_seconds() + 5 <= 5
    assert row["stale"] is False
    assert (row["confidence"], row["invalid_reason"], row["is_valid"]) == (None, None, True)


FIGURES: dict[str, Any] = {
    "band_low": 100_600.0,
    "band_high": 101_400.0,
    "confidence": 0.82,
    "lock_margin": 1.4,
    "signal": 88.5,
    "point_count": 20_000,
    "spread_percent": 1.1,
    "change_percent": -0.3,
    "window_price": 100_900.0,
    "published_price": 50_450.0,
    "provenance": None,
    "exchange_sources": {"mempool": 100_000.0},
    "exchange_outliers": {"elsewhere": 9.5},
    "exchange_ratios": {"EUR": 0.86},
}


def test_how_far_a_price_can_be_trusted_is_served_with_it_in_every_form(web: WebApplication) -> None:
    web.keep(**FIGURES)
    latest = get(web, "latest")
    (row,) = get(web, "historical")["items"]
    columns = get(web, "historical", columns="all")["columns"]
    for name, value in FIGURES.items():
        assert latest[name] == row[name] == value, name
        assert columns[name] == [value], name


def test_a_bucket_tells_the_band_and_the_confidence_too(web: WebApplication) -> None:
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - DAY
    ago = int((web.clock() - day) / timedelta(minutes=10))
    web.keep(slots_ago=ago, **FIGURES)
    web.keep(slots_ago=ago - 1, **FIGURES | {"band_low": 100_400.0, "band_high": 101_600.0, "confidence": 0.62})
    (row,) = get(web, "historical", days=3, bucket="day")["items"]
    assert (row["band_low"], row["band_high"], row["confidence"]) == (100_500.0, 101_500.0, pytest.approx(0.72))
    assert row["lock_margin"] is row["exchange_sources"] is None
    web.keep(slots_ago=ago - 2, **FIGURES | {"band_low": 100_400.0, "confidence": None})
    (row,) = get(web, "historical", days=3, bucket="day")["items"]
    assert (row["band_low"], row["confidence"]) == (100_466.6667, 0.72)


def test_an_invalid_row_brings_the_newest_valid_one_along(web: WebApplication) -> None:
    web.keep(slots_ago=0, is_valid=False, invalid_reason="too_few_points")
    assert get(web, "latest")["last_valid"] is None
    earlier, later = (web.keep(slots_ago=ago, source="backfill") for ago in (9000, 8999))
    assert get(web, "latest")["last_valid"]["timestamp"] == later.isoformat() != earlier.isoformat()
    filled_in = web.keep(slots_ago=0, source="import")
    latest = get(web, "latest")
    assert (latest["is_valid"], latest["last_valid"]["timestamp"]) == (False, filled_in.isoformat())
    web.keep()
    latest = get(web, "latest")
    assert (latest["is_valid"], latest["last_valid"]) == (True, None)


def test_where_no_price_is_ever_valid_nobody_looks_through_all_rows_again(web: WebApplication) -> None:
    web.keep(is_valid=False, invalid_reason="too_few_points")
    get(web, "latest")
    statements = statements_of(web)
    get(web, "latest")
    assert statements
    assert not [each for each in statements if "price_comparisons.is_valid" in each.partition("WHERE")[2]]


def test_days_of_all_time_begin_with_the_first_row_and_cost_nothing_before_it(web: WebApplication) -> None:
    days_ago = (4000, 3999, 3990, 3000, 9, 8, 0)
    kept = [web.keep(slots_ago=144 * ago, utxoracle_price=1000.0 + ago) for ago in days_ago]
    statements = statements_of(web)
    frame = {"from": "2009-01-03T00:00:00Z", "to": (datetime.now(UTC) + DAY).isoformat()}
    found = get(web, "historical", bucket="day", **frame)
    assert [row["timestamp"][:10] for row in found["items"]] == [f"{each:%Y-%m-%d}" for each in kept]
    assert [row["utxoracle_price"] for row in found["items"]] == [
        1000.0 + ago for ago in (4000, 3999, 3990, 3000, 9, 8, 0)
    ]
    assert len([each for each in statements if "avg(" in each]) <= 4001 // 8 + 1
    for bucket in ("raw", "hour"):
        assert get(web, "historical", 400, bucket=bucket, **frame)["code"] == "BAD_QUERY"
    assert "30 years" in get(web, "historical", 400, bucket="day", **frame | {"from": "1990-01-01T00:00:00Z"})["detail"]


def test_the_latest_row_is_served_although_it_is_invalid_and_old(web: WebApplication) -> None:
    web.keep(slots_ago=5, utxoracle_price=None, is_valid=False, invalid_reason="node_unreachable")
    row = get(web, "latest")
    assert (row["stale"], row["is_valid"], row["invalid_reason"]) == (True, False, "node_unreachable")
    assert row["difference"] is row["utxoracle_price"] is None


def test_rows_come_oldest_first_and_only_those_of_the_days_asked_for(web: WebApplication) -> None:
    recent = [web.keep(slots_ago=ago) for ago in (0, 100, 143)]
    web.keep(slots_ago=145)
    items = get(web, "historical", days=1)["items"]
    assert [row["timestamp"] for row in items] == [each.isoformat() for each in reversed(recent)]
    assert len(get(web, "historical", days=2)["items"]) == 4


def test_a_timeframe_includes_its_start_and_not_its_end(web: WebApplication) -> None:
    first, second = web.keep(slots_ago=9), web.keep(slots_ago=8)
    found = get(web, "historical", **{"from": first.isoformat(), "to": second.isoformat()})
    assert [row["timestamp"] for row in found["items"]] == [first.isoformat()]
    assert found["timeframe"] == {"from": first.isoformat(), "to": second.isoformat()}


def test_a_timeframe_may_be_in_any_zone(web: WebApplication) -> None:
    timestamp = web.keep(slots_ago=9)
    begin = timestamp.replace(tzinfo=None).isoformat()
    found = get(web, "historical", **{"from": f"{begin}-00:00", "to": f"{begin[:16]}:01Z"})
    assert found["count"] == 1


def test_buckets_are_means_of_the_valid_rows(web: WebApplication) -> None:
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - DAY
    ago = int((web.clock() - day) / timedelta(minutes=10))
    web.keep(slots_ago=ago, utxoracle_price=100.0)
    web.keep(slots_ago=ago - 1, utxoracle_price=200.0)
    web.keep(slots_ago=ago - 2, utxoracle_price=999.0, is_valid=False, invalid_reason="below_min_price")
    web.keep(slots_ago=ago - 6, utxoracle_price=300.0)
    hours = get(web, "historical", days=3, bucket="hour")["items"]
    assert [row["utxoracle_price"] for row in hours] == [150.0, 300.0]
    (of_day,) = get(web, "historical", days=3, bucket="day")["items"]
    assert (of_day["timestamp"], of_day["utxoracle_price"]) == (day.isoformat(), 200.0)


def test_buckets_tell_the_exchange_rate_where_no_estimate_is_valid(web: WebApplication) -> None:
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - DAY
    ago = int((web.clock() - day) / timedelta(minutes=10))
    web.keep(slots_ago=ago, exchange_price=100_000.0)
    web.keep(slots_ago=ago - 1, exchange_price=104_000.0, is_valid=False, invalid_reason="too_few_points")
    rate_alone = {"utxoracle_price": None, "is_valid": False, "invalid_reason": "no_estimate", "source": "import"}
    web.keep(slots_ago=ago - 6, exchange_price=90_000.0, **rate_alone)
    both, alone = get(web, "historical", days=3, bucket="hour")["items"]
    assert (both["utxoracle_price"], both["exchange_price"], both["difference"]) == (101_000.0, 102_000.0, 1000.0)
    assert both["is_valid"] is True
    told = {name: value for name, value in alone.items() if value is not None}
    assert told == {
        "timestamp": (day + timedelta(hours=1)).isoformat(),
        "source": "import",
        "exchange_price": 90_000.0,
        "is_valid": False,
    }
    columns = get(web, "historical", days=3, bucket="day", columns="utxoracle_price,exchange_price,is_valid")["columns"]
    assert columns == {"utxoracle_price": [101_000.0], "exchange_price": [98_000.0], "is_valid": [True]}


def test_the_difference_of_a_bucket_is_that_of_the_comparison(web: WebApplication) -> None:
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - DAY
    ago = int((web.clock() - day) / timedelta(minutes=10))
    web.keep(slots_ago=ago, utxoracle_price=100_000.0, exchange_price=None)
    web.keep(slots_ago=ago - 1, utxoracle_price=110_000.0, exchange_price=110_000.0)
    for bucket in ("hour", "day"):
        (row,) = get(web, "historical", days=3, bucket=bucket)["items"]
        assert (row["difference"], row["difference_percent"]) == (0.0, 0.0)
    assert get(web, "comparison", days=3)["mean_difference"] == 0.0


def test_the_first_and_the_last_days_that_there_are_have_no_rows(web: WebApplication) -> None:
    for begin, end in (
        ("0001-01-01T00:00:00Z", "0001-01-03T00:00:00Z"),
        ("9999-12-29T12:00:00Z", "9999-12-31T23:59:59Z"),
    ):
        assert get(web, "historical", **{"from": begin, "to": end})["count"] == 0


def test_a_long_history_is_whole_and_in_order_in_both_forms(web: WebApplication) -> None:
    kept = [web.keep(slots_ago=ago, utxoracle_price=1000.0 + ago) for ago in (9000, 8999, 700, 145, 144, 143, 3, 0)]
    rows = get(web, "historical", days=70)
    assert [row["timestamp"] for row in rows["items"]] == [each.isoformat() for each in kept]
    assert rows["count"] == len(kept)
    columns = get(web, "historical", days=70, columns="all")
    assert columns["count"] == len(kept)
    assert columns["columns"] == {name: [row[name] for row in rows["items"]] for name in rows["items"][0]}


def test_columns_on_request(web: WebApplication) -> None:
    earlier, later = web.keep(slots_ago=1, exchange_price=None), web.keep()
    found = get(web, "historical", columns="timestamp,difference")
    assert found["columns"] == {"timestamp": [earlier.isoformat(), later.isoformat()], "difference": [None, 1000.0]}
    assert "items" not in found
    (row,) = get(web, "historical", columns="all", days=1)["columns"]["source"][:1]
    assert row == "live"


def test_differences_are_summed_up(web: WebApplication) -> None:
    for ago, estimate in enumerate((101_000.0, 103_000.0, 99_000.0, 102_000.0)):
        web.keep(slots_ago=ago, utxoracle_price=estimate)
    web.keep(slots_ago=4, exchange_price=None)
    web.keep(slots_ago=5, is_valid=False, invalid_reason="too_few_points")
    web.keep(slots_ago=200)
    found = get(web, "comparison", days=1)
    assert (found["mean_difference"], found["median_difference"]) == (1250.0, 1500.0)
    assert (found["min_difference"], found["max_difference"]) == (-1000.0, 3000.0)
    assert (found["count"], found["valid_count"], found["compared_count"]) == (6, 5, 4)
    assert found["timeframe"]["days"] == 1


@pytest.mark.parametrize(
    "query",
    [
        "days=0",
        "days=366",
        "days=-1",
        "days=1.5",
        "days=x",
        "days=",
        "days=1&days=2",
        "days=99999999999999999999999",
        "bucket=week",
        "columns=",
        "columns=password_hash",
        "columns=timestamp,",
        "from=2026-01-01T00:00:00Z",
        "to=2026-01-01T00:00:00Z",
        "from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "from=2026-01-01T00:00:00&to=2026-01-02T00:00:00",
        "from=2024-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&days=1",
        "from=yesterday&to=today",
        "from=0001-01-01T00:00:00%2B14:00&to=0001-01-02T00:00:00Z",
        "from=9999-12-30T00:00:00Z&to=9999-12-31T23:59:59-14:00",
        "limit=5",
        "days=1%00",
        "days=%ff",
        "%00=1",
    ],
)
def test_a_query_that_makes_no_sense_is_400_and_says_why(web: WebApplication, client: FlaskClient, query: str) -> None:
    answer = client.get(f"{BASE}/historical?{query}", headers=web.bearer())
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (400, "BAD_QUERY"), problem
    assert len(problem["detail"]) > 20


def test_who_asks_again_is_told_that_nothing_changed(web: WebApplication, client: FlaskClient) -> None:
    web.keep(slots_ago=1)
    frame = {"from": "2026-01-01T00:00:00Z", "to": "2026-12-31T00:00:00Z"}
    first = client.get(f"{BASE}/historical", headers=web.bearer(), query_string=frame)
    again = client.get(
        f"{BASE}/historical", headers=web.bearer() | {"If-None-Match": first.headers["ETag"]}, query_string=frame
    )
    assert (again.status_code, again.get_data()) == (304, b"")
    web.keep()
    changed = client.get(
        f"{BASE}/historical", headers=web.bearer() | {"If-None-Match": first.headers["ETag"]}, query_string=frame
    )
    assert changed.status_code == 200


def statements_of(web: WebApplication) -> list[str]:
    found: list[str] = []
    event.listen(web.database.engine, "before_cursor_execute", lambda *arguments: found.append(arguments[2]))
    return found


@pytest.mark.parametrize("path", ["historical?days=365", "historical?days=9&columns=all", "comparison?days=365"])
def test_who_asks_again_makes_nobody_read_the_rows(web: WebApplication, client: FlaskClient, path: str) -> None:
    web.keep(slots_ago=1)
    first = client.get(f"{BASE}/{path}", headers=web.bearer())
    statements = statements_of(web)
    again = client.get(f"{BASE}/{path}", headers=web.bearer())
    unchanged = client.get(f"{BASE}/{path}", headers=web.bearer() | {"If-None-Match": first.headers["ETag"]})
    packed = client.get(f"{BASE}/{path}", headers=web.bearer() | {"Accept-Encoding": "gzip"})
    assert (again.status_code, again.get_data()) == (200, first.get_data())
    assert (unchanged.status_code, unchanged.get_data()) == (304, b"")
    assert gzip.decompress(packed.get_data()) == first.get_data()
    assert statements
    assert not [each for each in statements if "difference" in each]


def test_a_row_that_is_replaced_or_filled_in_later_is_seen_at_once(web: WebApplication, client: FlaskClient) -> None:
    def ask() -> tuple[str, list[Any]]:
        answer = client.get(f"{BASE}/historical?days=365&columns=source,is_valid", headers=web.bearer())
        return answer.headers["ETag"], [list(each) for each in zip(*answer.get_json()["columns"].values(), strict=True)]

    web.keep(slots_ago=2000, utxoracle_price=None, is_valid=False, invalid_reason="node_unreachable")
    answers = [ask()]
    web.keep(slots_ago=2000)
    answers.append(ask())
    web.keep(slots_ago=3000, source="backfill")
    answers.append(ask())
    rows = [rows for _, rows in answers]
    assert rows == [[["live", False]], [["live", True]], [["backfill", True], ["live", True]]]
    assert len({tag for tag, _ in answers}) == 3


def test_a_client_that_cannot_read_gzip_is_never_sent_it(web: WebApplication, client: FlaskClient) -> None:
    web.keep()
    tags = set()
    for encodings, expected in (
        ("gzip", "gzip"),
        ("br, gzip;q=0.1", "gzip"),
        ("gzip;q=0", None),
        ("br", None),
        ("", None),
    ):
        answer = client.get(f"{BASE}/historical", headers=web.bearer() | {"Accept-Encoding": encodings})
        assert answer.headers.get("Content-Encoding") == expected
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert int(answer.headers["Content-Length"]) == len(answer.get_data())
        tags.add((expected, answer.headers["ETag"]))
    assert len(tags) == len({tag for _, tag in tags}) == 2


def test_a_failed_answer_is_not_kept(web: WebApplication, client: FlaskClient) -> None:
    web.keep()
    with web.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE price_comparisons RENAME COLUMN difference TO away")
    assert client.get(f"{BASE}/historical", headers=web.bearer()).status_code == 503
    with web.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE price_comparisons RENAME COLUMN away TO difference")
    assert client.get(f"{BASE}/historical", headers=web.bearer()).status_code == 200


def test_long_answers_are_compressed_for_those_who_can_read_it(web: WebApplication, client: FlaskClient) -> None:
    for ago in range(20):
        web.keep(slots_ago=ago)
    plain = client.get(f"{BASE}/historical", headers=web.bearer())
    small = client.get(f"{BASE}/historical", headers=web.bearer() | {"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in small.headers["Vary"]
    assert len(small.get_data()) < len(plain.get_data()) / 5
    assert json.loads(gzip.decompress(small.get_data())) == plain.get_json()

"""What goes wrong is told as problem+json, never with our insides, and never as a 500 for what a client did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app.adapters.database.engine import open_database
from tests.fakes.web_application import PASSWORD, WebApplication

LOGIN = "/api/auth/login"
JSON = "application/json"


def problem(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type == "application/problem+json"
    found: dict[str, Any] = json.loads(answer.get_data())
    assert found["code"] == code
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    assert found["request_id"] == answer.headers["X-Request-ID"]
    return found


def test_http_errors_are_problems(client: FlaskClient) -> None:
    problem(client.get("/nothing"), 404, "NOT_FOUND")
    assert "POST" in client.get(LOGIN).headers["Allow"]
    problem(client.get(LOGIN), 405, "METHOD_NOT_ALLOWED")
    problem(client.post(LOGIN, data="<x/>", content_type="text/xml"), 415, "UNSUPPORTED_MEDIA_TYPE")
    problem(client.post(LOGIN), 415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    problem(client.post(LOGIN, data=b'{"username": "' + b"x" * 70_000, content_type=JSON), 413, "TOO_LARGE")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"username": "a"}',
        b'{"username": "a", "password": 1}',
        b'{"username": "", "password": "x"}',
        b'{"username": "a", "password": "x", "role": "admin"}',
        b'{"username": "a", "password": "\\ud800"}',
        json.dumps({"username": "a" * 65, "password": "x"}).encode(),
    ],
    ids=lambda body: str(body[:40]),
)
def test_a_body_that_makes_no_sense_is_400(client: FlaskClient, body: bytes) -> None:
    problem(client.post(LOGIN, data=body, content_type=JSON), 400, "BAD_BODY")


def test_every_answer_has_its_own_request_id_and_the_headers_that_protect_a_browser(client: FlaskClient) -> None:
    answers = [client.get("/login"), client.get("/health"), client.get("/nothing")]
    assert len({each.headers["X-Request-ID"] for each in answers}) == 3
    for each in answers:
        assert "default-src 'none'" in each.headers["Content-Security-Policy"]
        assert "unsafe" not in each.headers["Content-Security-Policy"]
        assert each.headers["X-Content-Type-Options"] == "nosniff"
        assert each.headers["Cache-Control"] == "no-store"


def test_a_failure_of_ours_is_logged_with_its_id_and_says_nothing(
    web: WebApplication, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        raise RuntimeError("SELECT secret FROM /etc/utxoracle")

    web.app.add_url_rule("/fails", "fails", fail)
    found = problem(client.get("/fails", headers=web.bearer()), 500, "INTERNAL")
    assert "SELECT" not in str(found)
    (record,) = [each for each in caplog.records if "secret" in str(each.exc_info)]
    assert record.__dict__["request_id"] == found["request_id"]


def test_without_the_database_the_answer_is_503_and_names_no_file(tmp_path: Path, web: WebApplication) -> None:
    away = WebApplication(open_database(f"sqlite:///{tmp_path / 'nothing.db'}"))
    client = away.client()
    for answer in (
        client.get("/api/prices/latest", headers=web.bearer()),
        client.post(LOGIN, json={"username": "watcher", "password": PASSWORD}),
    ):
        assert "nothing.db" not in answer.get_data(as_text=True)
        problem(answer, 503, "DATABASE_UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
    web.database.close()


def test_a_database_that_lost_a_table_is_503_and_names_none(web: WebApplication, client: FlaskClient) -> None:
    with web.database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE price_comparisons")
    found = problem(client.get("/api/prices/latest", headers=web.bearer()), 503, "DATABASE_UNAVAILABLE")
    assert "price_comparisons" not in str(found)


PATHS = ["/api/prices/latest", "/api/prices/historical", "/api/prices/comparison", "/metrics", "/health", LOGIN]
NAMES = st.sampled_from(["days", "from", "to", "bucket", "columns", "format"]) | st.text(max_size=8)
VALUES = st.text(max_size=30) | st.integers().map(str) | st.datetimes().map(lambda each: f"{each.isoformat()}Z")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.tuples(st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE"]), st.sampled_from(PATHS)),
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
    st.binary(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(lambda each: json.dumps(each).encode()),
    st.sampled_from([JSON, "application/x-www-form-urlencoded", "text/plain", ""]),
)
def test_nothing_that_a_client_sends_is_an_error_of_ours(
    web: WebApplication, target: tuple[str, str], query: list[tuple[str, str]], body: bytes, media: str
) -> None:
    method, path = target
    parameters = [(name, value.encode("utf-8", "surrogatepass")) for name, value in query]
    answer = web.client().open(
        path, method=method, query_string=parameters, data=body, content_type=media, headers=web.bearer()
    )
    assert answer.status_code < 500 or (path == "/health" and answer.status_code == 503), answer.get_data()

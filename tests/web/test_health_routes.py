"""/health: states for everyone, reasons for those who may know, and an answer at once whatever hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.adapters.database.engine import Database, open_database
from app.services.health import DegradedError, Pace, SkippedError
from tests.fakes.stream_service import until
from tests.fakes.web_application import WebApplication, well

QUICK = Pace(every_seconds=0.05, timeout_seconds=0.5, first_seconds=5)
CRITICAL = ("database", "schema", "bitcoind", "websocket")


@contextmanager
def serving(on: Database, pace: Pace = QUICK, /, **checks: Callable[[], str]) -> Iterator[WebApplication]:
    """Serve with the critical checks well but for those in `checks`."""
    web = WebApplication(on, checks=dict.fromkeys(CRITICAL, well) | checks, pace=pace)
    if web.accounts.find("watcher") is None:
        web.add_account()
    web.monitor.start()
    yield web
    web.monitor.stop()


def fail() -> str:
    raise RuntimeError("the password is hunter2")


def degrade() -> str:
    raise DegradedError("only just")


def skip() -> str:
    raise SkippedError("none here")


def health(web: WebApplication, status: int, **headers: str) -> dict[str, Any]:
    answer = web.client().get("/health", headers=headers)
    assert answer.status_code == status, answer.get_data(as_text=True)
    found: dict[str, Any] = answer.get_json()
    return found


def test_all_well_is_healthy_and_skipped_changes_nothing(sqlite_database: Database) -> None:
    with serving(sqlite_database, webhooks=skip) as web:
        found = health(web, 200)
        assert (found["status"], found["database"]) == ("healthy", "connected")
        assert found["checks"]["webhooks"]["status"] == "skipped"
        assert {each["status"] for each in found["checks"].values()} == {"ok", "skipped"}


@pytest.mark.parametrize("check", [fail, degrade])
def test_something_that_can_be_missed_is_degraded_and_still_200(
    sqlite_database: Database, check: Callable[[], str]
) -> None:
    with serving(sqlite_database, electrs=check) as web:
        assert health(web, 200)["status"] == "degraded"


@pytest.mark.parametrize("name", CRITICAL)
def test_what_nothing_works_without_is_unhealthy_and_503(sqlite_database: Database, name: str) -> None:
    with serving(sqlite_database, **{name: fail}) as web:
        found = health(web, 503)
        assert (found["status"], found["checks"][name]["status"]) == ("unhealthy", "error")
        assert found["database"] == ("disconnected" if name == "database" else "connected")


def test_strangers_see_states_only_and_the_others_everything(sqlite_database: Database) -> None:
    with serving(sqlite_database, electrs=fail) as web:
        for headers in ({}, {"Authorization": "Bearer forged"}):
            found = health(web, 200, **headers)
            assert {(each["latency_ms"], each["message"]) for each in found["checks"].values()} == {(None, None)}
            assert "hunter2" not in str(found)
        known = health(web, 200, **web.bearer())["checks"]
        assert known["electrs"]["message"] == "the password is hunter2"
        assert known["bitcoind"]["latency_ms"] >= 0


def test_without_the_database_health_answers_all_the_same(tmp_path: Path, web: WebApplication) -> None:
    away = open_database(f"sqlite:///{tmp_path / 'nothing.db'}")
    lost = WebApplication(away, checks={"database": fail, "schema": fail, "bitcoind": well, "websocket": well})
    lost.monitor.start()
    found = health(lost, 503, **web.bearer())
    lost.monitor.stop()
    assert (found["status"], found["database"]) == ("unhealthy", "disconnected")


def test_the_answer_comes_within_a_second_when_every_check_hangs(sqlite_database: Database) -> None:
    release = threading.Event()

    def hang() -> str:
        release.wait(30)
        return "late"

    names = [*CRITICAL, "electrs", "mempool_backend", "disk", "memory"]
    with serving(sqlite_database, Pace(), **dict.fromkeys(names, hang)) as web:
        try:
            for _ in range(3):
                began = time.monotonic()
                found = health(web, 503, **web.bearer())
                assert time.monotonic() - began < 1
                assert {each["status"] for each in found["checks"].values()} == {"timeout"}
        finally:
            release.set()


def test_one_check_that_hangs_holds_up_no_other(sqlite_database: Database) -> None:
    release, runs = threading.Event(), iter(range(10_000))
    counted: list[int] = []

    def hang() -> str:
        release.wait(30)
        return "late"

    def count() -> str:
        counted.append(next(runs))
        return "well"

    pace = Pace(every_seconds=0.02, timeout_seconds=0.05, first_seconds=0.5)
    with serving(sqlite_database, pace, electrs=hang, disk=count) as web:
        found = health(web, 200)
        deadline = time.monotonic() + 10
        while len(counted) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        release.set()
    assert len(counted) >= 5
    assert (found["status"], found["checks"]["electrs"]["status"]) == ("degraded", "timeout")


def test_what_heals_is_healthy_again(sqlite_database: Database) -> None:
    broken = threading.Event()
    broken.set()

    def check() -> str:
        if broken.is_set():
            raise RuntimeError("broken")
        return "well"

    with serving(sqlite_database, bitcoind=check) as web:
        assert health(web, 503)["status"] == "unhealthy"
        broken.clear()
        deadline = time.monotonic() + 10
        while web.client().get("/health").status_code == 503 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert health(web, 200)["status"] == "healthy"


def test_a_check_that_hangs_is_as_old_as_its_timeout(sqlite_database: Database) -> None:
    release = threading.Event()

    def hang() -> str:
        release.wait(30)
        return "late"

    pace = Pace(every_seconds=0.02, timeout_seconds=0.5, first_seconds=0.7)
    # Before the check can have begun.
    began = time.monotonic()
    with serving(sqlite_database, pace, electrs=hang) as web:
        try:
            until(lambda: web.monitor.report().checks["electrs"].age_seconds > 0, "the timeout")
            result = web.monitor.report().checks["electrs"]
            assert result.status == "timeout"
            assert result.age_seconds <= time.monotonic() - began - 0.5
        finally:
            release.set()


def test_what_fails_is_in_the_log_where_failures_are_looked_for(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with serving(sqlite_database, bitcoind=fail, electrs=degrade, webhooks=skip) as web:
        health(web, 503)
    levels = {each.__dict__["check"]: each.levelname for each in caplog.records if each.message == "health changed"}
    assert levels == {"bitcoind": "ERROR", "electrs": "WARNING", "webhooks": "INFO"}


def test_live_needs_nothing_and_ready_the_database(sqlite_database: Database) -> None:
    with serving(sqlite_database, bitcoind=fail) as web:
        assert web.client().get("/health/live").get_json() == {"status": "alive"}
        assert web.client().get("/health/ready").get_json() == {"status": "ready"}
    with serving(sqlite_database, schema=fail) as web:
        answer = web.client().get("/health/ready")
        assert (answer.status_code, answer.get_json()) == (503, {"status": "not_ready"})
        assert web.client().get("/health/live").status_code == 200

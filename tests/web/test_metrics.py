"""/metrics: the figures, in both forms, and the table of them in docs/METRICS.md."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from app.adapters.database.engine import Database, open_database
from app.services.heartbeats import Heartbeat
from tests.fakes.web_application import WebApplication

MANIFEST = Path(__file__).resolve().parents[2] / "docs" / "METRICS.md"


def text(web: WebApplication) -> str:
    answer = web.client().get("/metrics", headers=web.bearer())
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    return answer.get_data(as_text=True)


def figures(web: WebApplication) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(text(web))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value for each in families for sample in each.samples
    }


def named(web: WebApplication, name: str, **labels: str) -> float | None:
    return figures(web).get((name, frozenset(labels.items())))


FIGURES: dict[str, Any] = {
    "source": "stream",
    "followed": 12,
    "most_followed": 10_000,
    "let_go": 3,
    "waiting": 5_300,
    "unread": 40,
    "blocks_to_read": 1,
    "lost_blocks": 2,
    "lost_messages": 7,
    "tip_height": 900_000,
}


def say(web: WebApplication, seconds_ago: float = 0, **figures: object) -> None:
    """Give the detector's sign of life of so many seconds ago."""
    beat_at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    detail = {**FIGURES, **figures, "problems": {}}
    web.heartbeats.beat(Heartbeat("detector", "here", beat_at, "ok", detail))


def test_the_manifest_names_what_is_served_and_nothing_else(web: WebApplication) -> None:
    web.keep(confidence=0.8, band_low=100_600.0, band_high=101_400.0)
    say(web)
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", MANIFEST.read_text(encoding="utf-8"), re.MULTILINE)
    listed = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    web.client().get("/health")
    served: dict[str, tuple[str, set[str]]] = {}
    for family in text_string_to_metric_families(text(web)):
        # A counter and a histogram also say when they were made, and a histogram has a label of its own.
        if family.samples and not family.name.endswith("_created"):
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            served[family.name] = (family.type, labels)
    assert served == listed


def test_figures_of_the_newest_row(web: WebApplication) -> None:
    web.keep(slots_ago=2, is_valid=False, invalid_reason="too_few_points")
    web.keep(confidence=0.8, band_low=99_990.0, band_high=102_010.0)
    assert named(web, "utxoracle_price_estimate_usd") == 101_000
    assert named(web, "utxoracle_price_confidence_ratio") == 0.8
    assert named(web, "utxoracle_price_band_percent") == 1
    assert named(web, "utxoracle_price_exchange_usd") == 100_000
    assert named(web, "utxoracle_price_difference_usd") == 1000
    assert named(web, "utxoracle_price_difference_percent") == 1
    assert named(web, "utxoracle_price_valid_bool") == 1
    assert 0 <= (named(web, "utxoracle_price_age_seconds") or -1) < 700
    assert named(web, "utxoracle_price_rows_day", validity="valid") == 1
    assert named(web, "utxoracle_price_rows_day", validity="invalid") == 1
    assert named(web, "utxoracle_event_log_last_id") == 2


def test_what_is_not_known_is_left_out(web: WebApplication) -> None:
    assert named(web, "utxoracle_price_estimate_usd") is None
    web.keep(exchange_price=None)
    assert named(web, "utxoracle_price_estimate_usd") == 101_000
    assert named(web, "utxoracle_price_confidence_ratio") is None
    assert named(web, "utxoracle_price_band_percent") is None
    assert named(web, "utxoracle_price_exchange_usd") is None
    assert named(web, "utxoracle_price_difference_usd") is None


def test_figures_of_the_detector_are_those_of_its_last_word(web: WebApplication) -> None:
    assert named(web, "utxoracle_detector_age_seconds") is None
    say(web)
    assert 0 <= (named(web, "utxoracle_detector_age_seconds") or 0) < 30
    assert named(web, "utxoracle_detector_stream_bool") == 1
    assert named(web, "utxoracle_mempool_transactions") == 5_300
    assert named(web, "utxoracle_detector_unread_transactions") == 40
    assert named(web, "utxoracle_detector_unread_blocks") == 1
    assert named(web, "utxoracle_detector_tip_height") == 900_000
    assert named(web, "utxoracle_whales_followed") == 12
    assert named(web, "utxoracle_whales_let_go_total") == 3
    assert named(web, "utxoracle_detector_lost_messages_total") == 7
    assert named(web, "utxoracle_detector_lost_blocks_total") == 2
    say(web, source="polling", tip_height=None)
    assert named(web, "utxoracle_detector_stream_bool") == 0
    assert named(web, "utxoracle_detector_tip_height") is None


def test_of_a_silent_detector_only_its_silence_is_known(web: WebApplication) -> None:
    say(web, seconds_ago=3600)
    assert (named(web, "utxoracle_detector_age_seconds") or 0) >= 3600
    assert {name for name, _ in figures(web) if "_detector_" in name or "mempool_" in name or "_whales_" in name} == {
        "utxoracle_detector_age_seconds"
    }


def test_a_detector_that_waits_for_the_node_has_no_figures_yet(web: WebApplication) -> None:
    detail = {"problems": {"node": "bitcoind does not answer"}}
    web.heartbeats.beat(Heartbeat("detector", "here", datetime.now(UTC), "degraded", detail))
    assert named(web, "utxoracle_detector_age_seconds") is not None
    assert named(web, "utxoracle_whales_followed") is None


def test_without_the_database_health_is_still_told(tmp_path: Path) -> None:
    away = WebApplication(open_database(f"sqlite:///{tmp_path / 'nothing.db'}"))
    registry = away.app.extensions["utxoracle-figures"]
    away.monitor.start()
    names = {family.name for family in registry.collect()}
    away.monitor.stop()
    assert "utxoracle_health_check_state" in names
    assert "utxoracle_price_rows_day" not in names


def test_health_has_one_state_for_each_check(web: WebApplication) -> None:
    found = figures(web)
    states = {labels: value for (name, labels), value in found.items() if name == "utxoracle_health_check_state"}
    assert states[frozenset({("check", "bitcoind"), ("state", "ok")})] == 1
    assert sum(states.values()) == len(web.checks)
    assert found["utxoracle_health_up_bool", frozenset()] == 1


def test_requests_are_counted_by_route_and_not_by_what_a_client_makes_up(
    web: WebApplication, client: FlaskClient
) -> None:
    for path in ("/a", "/b", "/c"):
        client.get(path)
    client.open("/d", method="MADEUP")
    client.get("/static/appliance.css", buffered=True)
    name = "utxoracle_api_requests_total"
    assert named(web, name, route="unknown", method="GET", status="404") == 3
    assert named(web, name, route="unknown", method="other", status="404") == 1
    assert named(web, name, route="/static/<path:filename>", method="GET", status="200") == 1
    assert (named(web, "utxoracle_api_request_seconds_count") or 0) >= 5


def test_json_holds_the_same_figures(web: WebApplication, client: FlaskClient) -> None:
    web.keep()
    found: dict[str, Any] = client.get("/metrics?format=json", headers=web.bearer()).get_json()
    by_name = {each["name"]: each for each in found["items"]}
    assert by_name["utxoracle_price_estimate_usd"]["samples"][0]["value"] == 101_000
    assert {each["name"] for each in found["items"]} == {
        family.name for family in web.app.extensions["utxoracle-figures"].collect()
    }


def test_metrics_can_be_switched_off(sqlite_database: Database) -> None:
    web = WebApplication(sqlite_database, values={"metrics_enabled": False})
    web.add_account()
    answer = web.client().get("/metrics", headers=web.bearer())
    assert (answer.status_code, answer.get_json()["code"]) == (404, "METRICS_DISABLED")

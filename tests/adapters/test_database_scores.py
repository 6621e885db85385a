"""The score of predictions by the hour and the day, and alarms about it, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from app.adapters.database.events import DatabaseEventLog
from app.adapters.database.scores import DatabaseScores
from app.adapters.database.tables import CorrelationRow
from app.adapters.database.whales import DatabaseWhales
from app.domain.whales.accuracy import AccuracyRule
from app.services.whales.scores import Scores, windows_at
from app.services.whales.whale_store import Changes, Sighting, Whale, WhalePrediction
from tests.fakes.stream_events import whale as known_whale

if TYPE_CHECKING:
    from app.adapters.database.engine import Database

NOW = datetime(2026, 11, 28, 8, 20, tzinfo=UTC)
HOUR, DAY = NOW.replace(minute=0), NOW.replace(hour=0, minute=0)
RULE = AccuracyRule(warning=0.75, critical=0.70)


class Course:
    """Whales that come and go, as the detector would write them."""

    def __init__(self, database: Database) -> None:
        self._store = DatabaseWhales(database, lambda: None)
        self._count = 0

    def resolve(  # noqa: PLR0913 - what makes a difference to a score
        self,
        at: datetime,
        count: int = 1,
        outcome: str = "confirmed",
        *,
        on_time: bool = True,
        is_replaced: bool = False,
        inputs: dict[str, Any] | None = None,
    ) -> None:
        """Write whales that were seen ten minutes before their end."""
        changes = Changes(at=at)
        for _ in range(count):
            whale = self._whale(at - timedelta(minutes=10), status=outcome)
            prediction = _prediction(whale, at, outcome, on_time=on_time)
            if is_replaced:
                prediction.final_txid = "f" * 64
            if inputs is not None:
                prediction.inputs = inputs
            changes.sightings.append(Sighting(whale=whale, prediction=prediction, event=None))
        self._store.write(changes)

    def miss(self, at: datetime, count: int) -> None:
        """Write whales of which only their block told."""
        self._sight(at, [replace(self._whale(at, status="missed"), confirmed_at=at) for _ in range(count)])

    def see_without_fees(self, at: datetime, count: int) -> None:
        """Write whales that wait, and of which nothing could be said."""
        self._sight(at, [self._whale(at, status="pending") for _ in range(count)])

    def _sight(self, at: datetime, whales: list[Whale]) -> None:
        whales = [replace(each, prediction_id=None, urgency_score=None, urgency_level=None) for each in whales]
        sightings = [Sighting(whale=each, prediction=None, event=None) for each in whales]
        self._store.write(Changes(at=at, sightings=sightings))

    def _whale(self, seen_at: datetime, status: str) -> Whale:
        self._count += 1
        return replace(
            known_whale(self._count),
            timestamp=seen_at,
            detected_at=seen_at,
            prediction_id=f"p{self._count}",
            urgency_score=0.5,
            urgency_level="medium",
            status=status,
        )


def _prediction(whale: Whale, at: datetime, outcome: str, *, on_time: bool) -> WhalePrediction:
    block = None if outcome != "confirmed" else 101 if on_time else 109
    return WhalePrediction(
        prediction_id=whale.prediction_id or "",
        txid=whale.txid,
        final_txid=whale.txid,
        predicted_at=whale.timestamp,
        tip_height=100,
        predicted_block=101,
        earliest_block=101,
        latest_block=103,
        next_block_probability=0.75,
        urgency_score=0.5,
        feerate_sat_vb=0.5,
        ahead_vb=1_000,
        inputs={"distribution": [0.75, 0.2, 0.05], "bands": [[0.5, 1_000]]},
        baseline_block=102,
        outcome=outcome,
        outcome_block=block,
        resolved_at=at,
        on_time=on_time and block is not None,
    )


@pytest.fixture
def course(database: Database) -> Course:
    return Course(database)


class Rings:
    def __init__(self) -> None:
        self.count = 0

    def ring(self) -> None:
        self.count += 1


@pytest.fixture
def bell() -> Rings:
    return Rings()


@pytest.fixture
def scores(database: Database, bell: Rings) -> Scores:
    return Scores(DatabaseScores(database, bell.ring, RULE))


def row(database: Database, period: str, start: datetime) -> dict[str, Any]:
    columns = CorrelationRow.__table__.columns
    statement = select(*columns).where(CorrelationRow.period == period, CorrelationRow.window_start == start)
    with database.reading() as connection:
        return dict(connection.execute(statement).mappings().one())


def alarms(database: Database) -> list[dict[str, Any]]:
    return [event.payload for event in DatabaseEventLog(database).after(0, 100) if event.type == "accuracy"]


def test_the_windows_that_may_still_change_are_two_hours_and_two_days() -> None:
    assert [(window.period, window.start, window.end) for window in windows_at(NOW)] == [
        ("hour", HOUR - timedelta(hours=1), HOUR),
        ("hour", HOUR, HOUR + timedelta(hours=1)),
        ("day", DAY - timedelta(days=1), DAY),
        ("day", DAY, DAY + timedelta(days=1)),
    ]


def test_without_whales_there_are_rows_without_figures(scores: Scores, database: Database) -> None:
    scores.refresh(NOW)
    for window in windows_at(NOW):
        found = row(database, window.period, window.start)
        assert (found["whale_count"], found["accuracy_sample"], found["missed"]) == (0, 0, 0)
        assert found["prediction_accuracy"] is found["avg_urgency"] is found["brier"] is None
    assert alarms(database) == []


def test_each_window_has_the_score_of_what_was_resolved_in_it(
    scores: Scores, database: Database, course: Course
) -> None:
    course.resolve(HOUR, 9)
    course.resolve(NOW, 3, on_time=False)
    course.resolve(HOUR + timedelta(minutes=5), 2, "dropped", is_replaced=True)
    course.resolve(HOUR - timedelta(microseconds=1), 4)
    course.resolve(DAY - timedelta(microseconds=1), 11)
    course.miss(HOUR + timedelta(minutes=1), 2)
    scores.refresh(NOW)
    hour = row(database, "hour", HOUR)
    assert {name: hour[name] for name in ("confirmed", "replaced", "dropped", "conflicted", "expired", "missed")} == {
        "confirmed": 12,
        "replaced": 2,
        "dropped": 2,
        "conflicted": 0,
        "expired": 0,
        "missed": 2,
    }
    assert (hour["timestamp"], hour["created_at"]) == (HOUR, NOW)
    assert (hour["prediction_accuracy"], hour["accuracy_sample"]) == (9 / 14, 14)
    assert (hour["coverage"], hour["coverage_sample"]) == (9 / 12, 12)
    assert (hour["exact_share"], hour["within_one_share"], hour["exact_sample"]) == (9 / 12, 9 / 12, 12)
    assert (hour["lead_median_seconds"], hour["lead_sample"]) == (600.0, 12)
    assert hour["brier"] == pytest.approx((9 * 0.25**2 + 5 * 0.75**2) / 14)
    assert hour["transform_sample"] == 12
    assert (hour["baseline_accuracy"], hour["baseline_sample"]) == (9 / 14, 14)
    assert hour["baseline_brier"] == pytest.approx(9 / 14)
    assert (hour["baseline_exact_share"], hour["baseline_within_one_share"]) == (0.0, 9 / 12)
    # Seen ten minutes before their end, nine of them in the hour before.
    assert (hour["whale_count"], hour["avg_urgency"], hour["urgency_sample"]) == (3, None, 3)
    before = row(database, "hour", HOUR - timedelta(hours=1))
    assert (before["prediction_accuracy"], before["accuracy_sample"], before["whale_count"]) == (None, 4, 15)
    assert (before["avg_urgency"], before["urgency_sample"]) == (0.5, 15)
    today, yesterday = row(database, "day", DAY), row(database, "day", DAY - timedelta(days=1))
    assert (today["accuracy_sample"], today["missed"]) == (18, 2)
    assert (yesterday["prediction_accuracy"], yesterday["accuracy_sample"]) == (1.0, 11)


def test_the_mean_urgency_is_of_the_whales_that_have_one_and_says_of_how_many(
    scores: Scores, database: Database, course: Course
) -> None:
    course.resolve(NOW + timedelta(minutes=10), 12)
    course.see_without_fees(NOW, 3)
    scores.refresh(NOW)
    hour = row(database, "hour", HOUR)
    assert (hour["whale_count"], hour["avg_urgency"], hour["urgency_sample"]) == (15, 0.5, 12)


def after_an_outage(database: Database, scores: Scores, hours: int) -> Scores:
    """Return what keeps the score in a process that has just started, after one that ended so many hours before."""
    scores.refresh(NOW - timedelta(hours=hours))
    started = Scores(DatabaseScores(database, lambda: None, RULE))
    started.refresh(NOW)
    return started


def test_what_ended_while_nobody_looked_counts_in_the_hour_and_the_day_in_which_it_did(
    scores: Scores, database: Database, course: Course
) -> None:
    started = after_an_outage(database, scores, hours=12)
    four_hours_ago, yesterday = NOW - timedelta(hours=4), NOW - timedelta(hours=10)
    course.resolve(four_hours_ago, 3)
    course.resolve(yesterday, 2)
    course.miss(four_hours_ago, 1)
    started.refresh(NOW + timedelta(minutes=1))
    hour = row(database, "hour", HOUR - timedelta(hours=4))
    assert (hour["confirmed"], hour["missed"], hour["whale_count"]) == (3, 1, 3)
    assert row(database, "hour", HOUR - timedelta(hours=10))["confirmed"] == 2
    today, before = row(database, "day", DAY), row(database, "day", DAY - timedelta(days=1))
    assert (today["confirmed"], today["missed"], before["confirmed"]) == (3, 1, 2)


def test_a_process_that_was_killed_while_it_caught_up_leaves_that_to_the_next(
    scores: Scores, database: Database, course: Course
) -> None:
    after_an_outage(database, scores, hours=6).refresh(NOW + timedelta(minutes=20))
    course.resolve(NOW - timedelta(hours=4), 3)
    Scores(DatabaseScores(database, lambda: None, RULE)).refresh(NOW + timedelta(minutes=22))
    assert row(database, "hour", HOUR - timedelta(hours=4))["confirmed"] == 3


def test_all_of_a_long_outage_is_looked_at_again_a_few_windows_at_a_time(
    scores: Scores, database: Database, course: Course
) -> None:
    started = after_an_outage(database, scores, hours=24 * 13)
    ends = [NOW - timedelta(hours=12 * number) for number in range(1, 26)]
    for end in ends:
        course.resolve(end, 1)
    for minute in range(1, 16):
        started.refresh(NOW + timedelta(minutes=minute))
    assert {row(database, "hour", end.replace(minute=0))["confirmed"] for end in ends} == {1}
    assert {row(database, "day", DAY - timedelta(days=back))["confirmed"] for back in range(1, 12)} == {2}


def test_what_ended_more_than_two_weeks_ago_stays_as_it_was_kept(
    scores: Scores, database: Database, course: Course
) -> None:
    started = after_an_outage(database, scores, hours=24 * 16)
    course.resolve(NOW - timedelta(hours=24 * 16), 3)
    for minute in range(1, 16):
        started.refresh(NOW + timedelta(minutes=minute))
    assert row(database, "hour", HOUR - timedelta(hours=24 * 16))["confirmed"] == 0


def test_what_ended_hours_ago_counts_then_however_late_it_is_learnt(
    scores: Scores, database: Database, course: Course
) -> None:
    started = after_an_outage(database, scores, hours=6)
    later = NOW + timedelta(hours=1)
    started.refresh(later)
    course.resolve(NOW - timedelta(hours=4), 3)
    course.miss(NOW - timedelta(hours=3), 2)
    started.refresh(later + timedelta(minutes=1))
    assert row(database, "hour", HOUR - timedelta(hours=4))["confirmed"] == 3
    assert row(database, "hour", HOUR - timedelta(hours=3))["missed"] == 2
    assert row(database, "day", DAY)["missed"] == 2


def test_a_second_time_changes_only_what_has_changed(scores: Scores, database: Database, course: Course) -> None:
    course.resolve(NOW, 10)
    scores.refresh(NOW)
    first = row(database, "hour", HOUR)
    scores.refresh(NOW)
    assert row(database, "hour", HOUR) == first
    course.resolve(NOW + timedelta(minutes=1), 1, on_time=False)
    scores.refresh(NOW + timedelta(minutes=1))
    second = row(database, "hour", HOUR)
    assert (second["id"], second["prediction_accuracy"]) == (first["id"], 10 / 11)
    scores.refresh(NOW + timedelta(hours=1))
    assert row(database, "hour", HOUR)["prediction_accuracy"] == 10 / 11


def test_a_prediction_that_a_reorganisation_reopened_is_scored_no_longer(
    scores: Scores, database: Database, course: Course
) -> None:
    course.resolve(NOW, 10)
    scores.refresh(NOW)
    store = DatabaseWhales(database, lambda: None)
    (prediction,) = store.predictions(["p1"])
    reopened = replace(prediction, outcome="pending", outcome_block=None, resolved_at=None, on_time=None)
    store.write(Changes(at=NOW, predictions=[reopened]))
    scores.refresh(NOW)
    hour = row(database, "hour", HOUR)
    assert (hour["confirmed"], hour["prediction_accuracy"], hour["accuracy_sample"]) == (9, None, 9)


def test_predictions_of_which_no_probabilities_were_kept_are_scored_otherwise(
    scores: Scores, database: Database, course: Course
) -> None:
    course.resolve(NOW, 10, inputs={})
    scores.refresh(NOW)
    hour = row(database, "hour", HOUR)
    assert (hour["prediction_accuracy"], hour["transform_share"], hour["transform_sample"]) == (1.0, None, 0)


def test_low_accuracy_is_told_with_its_figures_and_in_the_journal(
    scores: Scores, database: Database, course: Course, bell: Rings, caplog: pytest.LogCaptureFixture
) -> None:
    course.resolve(NOW, 7)
    course.resolve(NOW, 3, on_time=False)
    scores.refresh(NOW)
    assert alarms(database) == [
        {
            "at": NOW.isoformat(),
            "state": "warning",
            "period": "24h",
            "accuracy": 0.7,
            "sample_size": 10,
            "threshold": 0.75,
        }
    ]
    assert bell.count == 1
    assert [(record.message, vars(record)["state"]) for record in caplog.records] == [
        ("prediction accuracy", "warning")
    ]


def test_of_fewer_than_ten_nothing_is_told(scores: Scores, database: Database, course: Course, bell: Rings) -> None:
    course.resolve(NOW, 9, on_time=False)
    scores.refresh(NOW)
    assert alarms(database) == []
    assert bell.count == 0


def test_the_last_24_hours_count_and_no_more(scores: Scores, database: Database, course: Course) -> None:
    course.resolve(NOW - timedelta(hours=24), 90)
    course.resolve(NOW - timedelta(hours=23), 5, on_time=False)
    course.resolve(NOW, 5, on_time=False)
    scores.refresh(NOW)
    assert [(alarm["state"], alarm["accuracy"], alarm["sample_size"]) for alarm in alarms(database)] == [
        ("critical", 0.0, 10)
    ]


def test_after_an_alarm_there_is_an_hour_of_silence_over_restarts_and_hosts(
    database: Database, course: Course, bell: Rings
) -> None:
    course.resolve(NOW, 7)
    course.resolve(NOW, 3, on_time=False)
    for minutes in range(0, 120, 10):
        if minutes == 20:
            course.resolve(NOW, 10, on_time=False)
        if minutes == 80:
            course.resolve(NOW, 200)
        Scores(DatabaseScores(database, bell.ring, RULE)).refresh(NOW + timedelta(minutes=minutes))
    told = [
        ((datetime.fromisoformat(alarm["at"]) - NOW) // timedelta(minutes=1), alarm["state"])
        for alarm in alarms(database)
    ]
    assert told == [(0, "warning"), (60, "critical")]
    Scores(DatabaseScores(database, bell.ring, RULE)).refresh(NOW + timedelta(minutes=120))
    assert [alarm["state"] for alarm in alarms(database)] == ["warning", "critical", "recovered"]
    assert bell.count == 3


def test_what_a_clock_that_was_ahead_left_in_the_future_does_not_silence_the_present(
    scores: Scores, database: Database, course: Course
) -> None:
    ahead = NOW + timedelta(days=3)
    course.resolve(ahead, 10, on_time=False)
    scores.refresh(ahead)
    course.resolve(NOW, 10)
    scores.refresh(NOW)
    assert [alarm["state"] for alarm in alarms(database)] == ["critical", "recovered"]

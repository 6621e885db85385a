"""Divergences in the event log: once per crossing, whoever keeps the rows, in whatever order, and killed wherever."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text

from app.adapters.database.engine import Database, open_database
from app.adapters.database.events import DatabaseEventLog, append
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.database.tables import EventRow, PriceRow
from app.domain.price.comparison import SLOT, PriceComparison
from app.domain.price.divergence import DivergenceRule
from app.services.event_log import Event

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
RULE = DivergenceRule(3.0)


def row(number: int, percent: float) -> PriceComparison:
    return PriceComparison(
        timestamp=START + number * SLOT,
        utxoracle_price=100_000.0 + 1_000 * percent,
        exchange_price=100_000.0,
        is_valid=True,
    )


class Host:
    """One of those who keep rows."""

    def __init__(self, database: Database, rule: DivergenceRule | None = RULE) -> None:
        self.history = DatabasePriceHistory(database, lambda: None, rule)

    def keep(self, *rows: PriceComparison) -> None:
        """Keep each row a minute into its slot."""
        for each in rows:
            self.history.record(each, each.timestamp + timedelta(minutes=1))


@pytest.fixture
def host(database: Database) -> Host:
    return Host(database)


def divergences(database: Database) -> Sequence[Event]:
    return [event for event in DatabaseEventLog(database).after(0, 1_000) if event.type == "price_divergence"]


def told(database: Database) -> list[tuple[int, str]]:
    """Return the numbers of the slots at which a divergence began or ended."""
    return [
        ((datetime.fromisoformat(event.payload["timestamp"]) - START) // SLOT, event.payload["state"])
        for event in divergences(database)
    ]


def test_a_crossing_is_told_with_its_figures_right_after_its_row(host: Host, database: Database) -> None:
    host.keep(row(0, 1.0), row(1, -4.0))
    *_, update, crossing = DatabaseEventLog(database).after(0, 10)
    assert (update.type, crossing.type, crossing.id) == ("price_update", "price_divergence", update.id + 1)
    assert crossing.created_at == update.created_at
    assert crossing.payload == {
        "timestamp": "2026-11-24T08:10:00+00:00",
        "state": "raised",
        "difference_percent": -4.0,
        "threshold_percent": 3.0,
        "utxoracle_price": 96_000.0,
        "exchange_price": 100_000.0,
    }


def test_it_is_in_the_journal_too(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    host.keep(row(0, 4.0), row(1, 4.0))
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.WARNING, "price divergence")
    assert (vars(record)["state"], vars(record)["difference_percent"]) == ("raised", 4.0)


def test_a_difference_that_hovers_at_the_threshold_is_told_once(host: Host, database: Database) -> None:
    host.keep(*(row(number, percent) for number, percent in enumerate([2.9, 3.1, 2.9, 3.1, 2.5, 3.3, 1.0, 2.9, 3.0])))
    assert told(database) == [(1, "raised"), (6, "cleared"), (8, "raised")]


def test_it_is_remembered_over_a_restart_and_by_other_hosts(database: Database) -> None:
    for number, percent in enumerate([4.0, 4.0, 2.9, 1.0, 4.0]):
        Host(database).keep(row(number, percent))
    assert told(database) == [(0, "raised"), (3, "cleared"), (4, "raised")]


def test_a_second_run_in_the_slot_tells_nothing_again(host: Host, database: Database) -> None:
    host.keep(row(0, 4.0), row(0, 4.1), replace(row(0, 4.0), exchange_price=None), row(0, 4.2), row(1, 4.0))
    assert told(database) == [(0, "raised")]


def test_a_second_run_in_the_slot_that_finds_the_prices_near_ends_it(host: Host, database: Database) -> None:
    host.keep(row(0, 4.0), row(0, 0.5))
    assert told(database) == [(0, "raised"), (0, "cleared")]


@pytest.mark.parametrize(
    "far",
    [
        replace(row(0, 9.0), is_valid=False, invalid_reason="too_few_points"),
        replace(row(0, 9.0), exchange_price=None),
        replace(row(0, 9.0), source="backfill"),
        replace(row(0, 9.0), source="import"),
    ],
    ids=["invalid", "without a rate", "backfill", "import"],
)
def test_only_what_is_live_and_valid_and_compared_diverges(
    host: Host, database: Database, far: PriceComparison
) -> None:
    host.keep(far)
    assert told(database) == []


def test_an_invalid_run_that_keeps_no_row_ends_nothing(host: Host, database: Database) -> None:
    host.keep(row(0, 4.0), replace(row(0, 0.0), is_valid=False, invalid_reason="too_few_points"), row(1, 4.0))
    assert told(database) == [(0, "raised")]


def test_a_row_that_comes_late_says_nothing_about_now(host: Host, database: Database) -> None:
    host.keep(row(0, 1.0), row(5, 1.0))
    host.history.record(row(2, 9.0), START + 6 * SLOT)
    host.keep(row(6, 1.0))
    assert told(database) == []


def test_rows_that_were_spooled_and_come_in_order_tell_what_happened(host: Host, database: Database) -> None:
    for number, percent in enumerate([1.0, 4.0, 4.0, 1.0]):
        host.history.record(row(number, percent), START + 9 * SLOT)
    assert told(database) == [(1, "raised"), (3, "cleared")]


def test_what_a_clock_that_was_ahead_left_in_the_future_does_not_silence_the_present(
    host: Host, database: Database
) -> None:
    host.keep(row(1_000, 1.0), row(0, 4.0))
    assert told(database) == [(0, "raised")]


def test_a_lower_threshold_tells_of_a_divergence_that_was_none_before(database: Database) -> None:
    Host(database, DivergenceRule(5.0)).keep(row(0, 4.0))
    Host(database).keep(row(1, 4.0))
    assert told(database) == [(1, "raised")]


def test_who_has_no_rule_tells_nothing(database: Database) -> None:
    Host(database, None).keep(row(0, 9.0))
    assert told(database) == []


def test_a_crossing_is_no_other_version_of_the_prices(host: Host, database: Database) -> None:
    host.keep(row(0, 4.0))
    before = host.history.version()
    with database.writing() as connection:
        append(connection, "price_divergence", divergences(database)[0].payload, START)
    assert host.history.version() == before
    host.keep(row(1, 4.0))
    assert host.history.version() != before


def test_a_crossing_that_cannot_be_told_leaves_neither_row_nor_event(host: Host, database: Database) -> None:
    refuse = {
        "sqlite": "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.type = 'price_divergence' "
        "BEGIN SELECT RAISE(ABORT, 'refused'); END",
        "postgresql": "ALTER TABLE events ADD CONSTRAINT refused CHECK (type <> 'price_divergence')",
    }[database.engine.dialect.name]
    with database.writing() as connection:
        connection.execute(text(refuse))
    with pytest.raises(Exception, match="refused"):
        host.keep(row(0, 4.0))
    assert host.history.newest() is None
    assert DatabaseEventLog(database).last_id() == 0


@pytest.mark.parametrize("slots_apart", [0, 1], ids=["in one slot", "in two slots"])
def test_hosts_that_run_at_once_tell_it_once(database: Database, database_url: str, slots_apart: int) -> None:
    hosts = [open_database(database_url) for _ in range(4)]
    try:
        with ThreadPoolExecutor(len(hosts)) as threads:
            for round_number in range(5):
                rows = [
                    row(10 * round_number + slots_apart * place, 4.0 + round_number % 2 * -4.0)
                    for place in range(len(hosts))
                ]
                done = [threads.submit(Host(each).keep, kept) for each, kept in zip(hosts, rows, strict=True)]
                for future in done:
                    future.result()
    finally:
        for each in hosts:
            each.close()
    assert [state for _, state in told(database)] == ["raised", "cleared", "raised", "cleared", "raised"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(-6, 6), max_size=20))
def test_the_log_tells_what_the_rule_says_row_by_row(host: Host, database: Database, percents: list[float]) -> None:
    with database.writing() as connection:
        connection.execute(delete(PriceRow))
        connection.execute(delete(EventRow))
    rows = [row(number, percent) for number, percent in enumerate(percents)]
    host.keep(*rows)
    differences = [each.difference_percent or 0.0 for each in rows]
    holding = list(accumulate(differences, lambda was, each: RULE.holds(each, before=was), initial=False))
    expected = [
        (number, "raised" if now else "cleared") for number, (was, now) in enumerate(pairwise(holding)) if was != now
    ]
    assert told(database) == expected

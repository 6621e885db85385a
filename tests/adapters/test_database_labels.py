"""Labels of output scripts, by whoever spoke last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from app.adapters.database.labels import DatabaseLabels
from app.domain.whales.addresses import address_of, script_of
from app.services.whales.label_lines import KnownAddress
from app.services.whales.labelling import Counts, OfSource
from app.services.whales.whale_store import Label

if TYPE_CHECKING:
    from app.adapters.database.engine import Database

NOW = datetime(2026, 11, 28, 8, tzinfo=UTC)


def script(number: int) -> bytes:
    return b"\x00\x14" + number.to_bytes(20, "big")


def said(
    number: int, name: str = "an exchange", source: str = "somebody", when: datetime | None = None
) -> KnownAddress:
    address = address_of(script(number), "regtest")
    assert address is not None
    return KnownAddress(address, name, "exchange", source, None, when)


@pytest.fixture
def labels(database: Database) -> DatabaseLabels:
    return DatabaseLabels(database, "regtest")


def test_scripts_without_a_label_have_none(labels: DatabaseLabels) -> None:
    assert labels.is_empty()
    assert labels.of_scripts([]) == {}
    assert labels.of_scripts([script(1), b"\x6a", b""]) == {}


def test_each_script_finds_the_label_of_its_address(labels: DatabaseLabels) -> None:
    old = script_of("2MxFajLApXpYk4VodBSZSt7rw8y4ryABkfA", "regtest")
    of_old = KnownAddress("2MxFajLApXpYk4VodBSZSt7rw8y4ryABkfA", "a pool", "mining", "somebody", None, None)
    assert labels.keep([said(1), of_old], NOW) == Counts(2, 0, 0)
    assert not labels.is_empty()
    assert labels.of_scripts([script(1), script(2), old, b"\x6a"]) == {
        script(1): Label("an exchange", "exchange"),
        old: Label("a pool", "mining"),
    }


def test_a_source_may_say_something_else_and_the_same_again_changes_nothing(labels: DatabaseLabels) -> None:
    labels.keep([said(1), said(2)], NOW)
    later = NOW + timedelta(hours=1)
    assert labels.keep([said(1, "another"), said(2), said(3), said(3)], later) == Counts(1, 1, 1)
    assert labels.of_scripts([script(1)]) == {script(1): Label("another", "exchange")}
    assert sorted(each.name for each in labels.every(None)) == ["an exchange", "an exchange", "another"]


def test_the_newest_word_of_several_sources_counts(labels: DatabaseLabels) -> None:
    day = timedelta(days=1)
    labels.keep(
        [said(1, "new", "b", NOW - day), said(1, "old", "a", NOW - 3 * day), said(1, "older", "c", NOW - 9 * day)], NOW
    )
    assert labels.of_scripts([script(1)]) == {script(1): Label("new", "exchange")}
    # Who does not tell when has said so when it was imported.
    labels.keep([said(1, "undated", "d")], NOW - 2 * day)
    assert labels.of_scripts([script(1)]) == {script(1): Label("new", "exchange")}
    labels.keep([said(1, "just now", "e")], NOW)
    assert labels.of_scripts([script(1)]) == {script(1): Label("just now", "exchange")}


def test_many_scripts_cost_few_questions(labels: DatabaseLabels, database: Database) -> None:
    labels.keep([said(number) for number in range(1_200)], NOW)
    asked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    assert len(labels.of_scripts([script(number) for number in range(1_300)])) == 1_200
    assert len([each for each in asked if each.startswith("SELECT labels")]) == 3


def test_the_question_is_answered_by_the_index(database: Database) -> None:
    is_sqlite = database.engine.dialect.name == "sqlite"
    question = "SELECT * FROM labels WHERE address IN ('a', 'b')"
    with database.reading() as connection:
        if not is_sqlite:
            # It would read a table as small as this one whole.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{question}").all()
    assert ("USING INDEX" if is_sqlite else "Index Scan") in str(plan)


def test_the_labels_of_one_source_are_counted_listed_and_removed(labels: DatabaseLabels) -> None:
    mine = [said(number, source="me", when=NOW - timedelta(days=number)) for number in range(3)]
    theirs = [said(number, source="them") for number in range(2)]
    labels.keep([*mine, *theirs, theirs[0]._replace(source="me", address=said(9).address, category="mining")], NOW)
    assert labels.sources() == [
        OfSource("me", "exchange", 3, NOW),
        OfSource("me", "mining", 1, None),
        OfSource("them", "exchange", 2, None),
    ]
    assert sorted(labels.every("them")) == sorted(theirs)
    assert labels.remove("me") == 4
    assert labels.remove("me") == 0
    assert sorted(labels.every(None)) == sorted(theirs)


def test_more_labels_than_fit_into_one_transaction_are_listed_and_removed(labels: DatabaseLabels) -> None:
    many = [said(number) for number in range(4_500)]
    labels.keep(many, NOW)
    assert sorted(labels.every("somebody")) == sorted(many)
    assert labels.remove("somebody") == 4_500
    assert labels.is_empty()

"""`utxoracle import prices`, as an operator runs it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from app.adapters.database.events import DatabaseEventLog
from app.adapters.database.price_changes import IMPORT_EVENT
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.database.tables import PriceRow
from app.cli import main
from app.domain.price.comparison import PriceComparison
from app.services.price_import import BATCH_ROWS

if TYPE_CHECKING:
    from app.adapters.database.engine import Database

EVER = datetime(2009, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
GOOD = """\
timestamp,utxoracle_price,exchange_price,confidence,block_height
2024-03-01T12:00:00+00:00,61000.5,61100,0.8,832700
2024-03-01T15:10:07+02:00,61010,,,
1709300400,,61200.25,,
"""


@pytest.fixture
def environ(tmp_path: Path, database_url: str) -> dict[str, str | None]:
    return {
        "UTXORACLE_USER": None,
        "UTXORACLE_ENV_FILE": "/dev/null",
        "STATE_DIRECTORY": str(tmp_path),
        "RUNTIME_DIRECTORY": str(tmp_path),
        "JWT_SECRET_KEY": "s" * 32,
        "DATABASE_URL": database_url,
    }


class Importer:
    def __init__(self, environ: dict[str, str | None], directory: Path) -> None:
        self._environ = environ
        self._directory = directory

    def __call__(self, content: str | bytes, *options: str, name: str = "prices.csv") -> Result:
        file = self._directory / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return CliRunner().invoke(main, ["import", "prices", str(file), *options], env=self._environ)


@pytest.fixture
def run(environ: dict[str, str | None], tmp_path: Path) -> Importer:
    return Importer(environ, tmp_path)


def rows(database: Database) -> list[PriceComparison]:
    return list(DatabasePriceHistory(database, lambda: None).between(*EVER))


def events(database: Database) -> list[tuple[str, int]]:
    return [(event.type, event.payload["rows"]) for event in DatabaseEventLog(database).after(0, 100)]


def test_a_csv_becomes_rows_that_say_where_they_come_from(run: Importer, database: Database) -> None:
    done = run(GOOD)
    assert (done.exit_code, done.output) == (
        0,
        "3 rows imported; 0 were there already, 0 differ and were left as they are (--replace replaces them)\n",
    )
    first, second, third = rows(database)
    assert first == PriceComparison(
        timestamp=datetime(2024, 3, 1, 12, tzinfo=UTC),
        source="import",
        utxoracle_price=61_000.5,
        exchange_price=61_100.0,
        confidence=0.8,
        block_height=832_700,
        provenance=first.provenance,
        is_valid=True,
    )
    assert first.provenance is not None
    assert first.provenance.startswith("prices.csv sha256:")
    assert first.provenance.endswith(" line 2")
    assert (second.timestamp, second.is_valid, second.exchange_price, second.confidence) == (
        datetime(2024, 3, 1, 13, 10, tzinfo=UTC),
        True,
        None,
        None,
    )
    assert (third.timestamp, third.is_valid, third.invalid_reason, third.exchange_price) == (
        datetime(2024, 3, 1, 13, 40, tzinfo=UTC),
        False,
        "no_estimate",
        61_200.25,
    )
    assert events(database) == [(IMPORT_EVENT, 3)]


def test_a_jsonl_becomes_rows(run: Importer, database: Database) -> None:
    lines = [
        {"date": "2024-03-01", "utxoracle_price": 61_000, "confidence": None},
        {"timestamp": 1_709_300_400, "exchange_price": 61_100.5, "id": 7, "difference": None},
        {"timestamp": "2024-03-02T00:00:00Z", "utxoracle_price": 62_000, "is_valid": False},
    ]
    done = run("\n\n".join(json.dumps(each) for each in lines), name="prices.jsonl")
    assert done.exit_code == 0, done.output
    assert [(row.timestamp.isoformat(), row.is_valid, row.invalid_reason) for row in rows(database)] == [
        ("2024-03-01T00:00:00+00:00", True, None),
        ("2024-03-01T13:40:00+00:00", False, "no_estimate"),
        ("2024-03-02T00:00:00+00:00", False, "marked_invalid"),
    ]


def test_a_second_time_changes_nothing(run: Importer, database: Database) -> None:
    run(GOOD)
    before, told = rows(database), events(database)
    done = run(GOOD, "--replace")
    assert "0 rows imported; 3 were there already, 0 differ" in done.output
    assert (rows(database), events(database)) == (before, told)
    # From another file as well: the figures count, and not where they stand.
    assert "3 were there already" in run(GOOD.replace("\n", "\r\n"), name="copy.csv").output
    assert rows(database) == before


def test_other_figures_are_replaced_only_when_asked_for(run: Importer, database: Database) -> None:
    run(GOOD)
    other = GOOD.replace("61010", "61011")
    assert "0 rows imported; 2 were there already, 1 differ and were left as they are" in run(other).output
    assert rows(database)[1].utxoracle_price == 61_010
    assert "1 differ and were replaced" in run(other, "--replace").output
    assert rows(database)[1].utxoracle_price == 61_011
    assert events(database) == [(IMPORT_EVENT, 3), (IMPORT_EVENT, 1)]


def test_a_price_of_an_import_can_be_replaced_by_none(run: Importer, database: Database) -> None:
    run(GOOD)
    assert run(GOOD.replace("61000.5", ""), "--replace").exit_code == 0
    assert (rows(database)[0].is_valid, rows(database)[0].difference) == (False, None)


def test_a_dry_run_says_what_would_change_and_writes_nothing(run: Importer, database: Database) -> None:
    assert "3 rows are new, 0 are there already, 0 differ" in run(GOOD, "--dry-run").output
    assert (rows(database), events(database)) == ([], [])
    run(GOOD)
    changed = GOOD.replace("61010", "61011") + "2024-03-05,1,,,\n"
    assert "1 rows are new, 2 are there already, 1 differ" in run(changed, "--dry-run").output
    assert len(rows(database)) == 3


def test_rows_of_other_sources_stay_beside_it(run: Importer, database: Database) -> None:
    live = PriceComparison(timestamp=datetime(2024, 3, 1, 12, tzinfo=UTC), utxoracle_price=60_000.0, is_valid=True)
    DatabasePriceHistory(database, lambda: None).record(live, EVER[0])
    run(GOOD, "--replace")
    assert live in rows(database)
    assert len(rows(database)) == 4


def test_caches_notice_what_was_imported_and_what_was_replaced(run: Importer, database: Database) -> None:
    history = DatabasePriceHistory(database, lambda: None)
    versions = [history.version()]
    for content, options in ((GOOD, ()), (GOOD.replace("61010", "61011"), ("--replace",))):
        run(content, *options)
        versions.append(history.version())
    assert len(set(versions)) == 3
    run(GOOD.replace("61010", "61011"))
    assert history.version() == versions[-1]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("2024-03-01T12:00:00,1,,,", "timestamp is '2024-03-01T12:00:00'; give a UTC day, a time with its offset"),
        ("yesterday,1,,,", "timestamp is 'yesterday'"),
        (",1,,,", "neither timestamp nor date"),
        ("2008-01-01,1,,,", "must be from 2009-01-03 to now"),
        ("2099-01-01,1,,,", "must be from 2009-01-03 to now"),
        ("1709300400000,1,,,", "timestamp is '1709300400000'"),
        ("inf,1,,,", "timestamp is 'inf'"),
        ("2024-03-05,,,,", "neither utxoracle_price nor exchange_price"),
        ("2024-03-05,cheap,,,", "utxoracle_price is 'cheap', which is no number"),
        ("2024-03-05,nan,,,", "utxoracle_price is 'nan', and must be from"),
        ("2024-03-05,-1,,,", "utxoracle_price is '-1', and must be from"),
        ("2024-03-05,,0,,", "exchange_price is '0', and must be from 1"),
        ("2024-03-05,,1e15,,", "exchange_price is '1e15', and must be from"),
        ("2024-03-05,1,,1.5,", "confidence is '1.5', and must be from 0 to 1"),
        ("2024-03-05,1,,,1.5", "block_height is not a whole number"),
        ("2024-03-05,1,,,-3", "block_height is '-3'"),
        ("2024-03-05,1,,", "it has 4 cells, and the header 5"),
        ("2024-03-01T12:09:59Z,1,,,", "it is of the same 10 minutes as line 2"),
        ('2024-03-05,"1,,,', "it is no CSV"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_imported_unless_asked_for(
    run: Importer, database: Database, line: str, sentence: str
) -> None:
    done = run(GOOD + line + "\n")
    assert done.exit_code == 2
    assert "line 5: " in done.output
    assert sentence in done.output
    assert "nothing was imported" in done.output
    assert rows(database) == []
    assert "3 rows imported" in run(GOOD + line + "\n", "--skip-bad").output
    assert len(rows(database)) == 3


def test_prices_outside_of_the_limits_are_kept_and_not_shown(run: Importer, database: Database) -> None:
    run("date,utxoracle_price\n2012-01-01,5.3\n2013-12-01,1000\n2020-01-01,10000001\n")
    assert [row.invalid_reason for row in rows(database)] == ["below_min_price", None, "above_max_price"]


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        ("", "prices.csv", "names no column of ours"),
        ("hello,world\n1,2\n", "prices.csv", "names no column of ours"),
        ("timestamp,utxoracle_prise\n2024-03-01,1\n", "prices.csv", "unknown columns 'utxoracle_prise'"),
        ("timestamp,utxoracle_price,timestamp\n", "prices.csv", "a column is there twice"),
        ("timestamp,utxoracle_price\n", "prices.csv", "there is no line to import"),
        (b"timestamp,utxoracle_price\n2024-03-01,\xff\n", "prices.csv", "is not UTF-8 text"),
        (b"timestamp,utxoracle_price\n2024-03-01,1\x00\n", "prices.csv", "line 2: "),
        ("[1]\n", "prices.jsonl", "line 1: it is no JSON object"),
        ("[" * 100_000, "prices.jsonl", "line 1: it is no JSON object"),
        ('{"timestamp": "2024-03-01", "prise": 1}', "prices.jsonl", "unknown fields 'prise'"),
        ('{"timestamp": [], "utxoracle_price": 1}', "prices.jsonl", "timestamp is []"),
        ('{"timestamp": true, "utxoracle_price": 1}', "prices.jsonl", "timestamp is True"),
        ('{"timestamp": "2024-03-01", "utxoracle_price": {}}', "prices.jsonl", "utxoracle_price is {}"),
        (GOOD, "prices.txt", "say which it is with --format"),
    ],
)
def test_a_file_that_is_none_is_refused_with_a_sentence(
    run: Importer, database: Database, content: str | bytes, name: str, sentence: str
) -> None:
    done = run(content, name=name)
    assert done.exit_code == 2
    assert sentence in done.output
    assert rows(database) == []


def test_the_ending_can_be_overruled(run: Importer, database: Database) -> None:
    assert run(GOOD, "--format", "csv", name="prices.txt").exit_code == 0
    assert len(rows(database)) == 3


def test_problems_are_listed_up_to_a_number_and_counted_beyond(run: Importer) -> None:
    done = run("date,utxoracle_price\n" + "never,1\n" * 500)
    assert "500 bad lines" in done.output
    assert done.output.count("line ") == 20
    assert "and 480 more" in done.output


def test_a_file_that_is_not_there_is_said_so(environ: dict[str, str | None], tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["import", "prices", str(tmp_path / "gone.csv")], env=environ)
    assert done.exit_code == 2
    assert "cannot be read (No such file or directory)" in done.output


def test_a_large_file_is_imported_in_batches_with_one_event_each(run: Importer, database: Database) -> None:
    start, count = datetime(2015, 1, 1, tzinfo=UTC), 2 * BATCH_ROWS + 500
    lines = [f"{(start + each * timedelta(minutes=10)).isoformat()},{250 + each / 100}" for each in range(count)]
    done = run("timestamp,exchange_price\n" + "\n".join(lines))
    assert done.exit_code == 0, done.output
    assert events(database) == [(IMPORT_EVENT, BATCH_ROWS), (IMPORT_EVENT, BATCH_ROWS), (IMPORT_EVENT, 500)]
    with database.reading() as connection:
        lasts = connection.execute(select(PriceRow.provenance).order_by(PriceRow.timestamp.desc()).limit(1)).scalar()
    assert str(lasts).endswith(f" line {count + 1}")


def test_an_import_that_was_interrupted_goes_on_where_it_was(run: Importer, database: Database) -> None:
    start = datetime(2015, 1, 1, tzinfo=UTC)
    lines = [f"{(start + each * timedelta(minutes=10)).isoformat()},250" for each in range(300)]
    header = "timestamp,exchange_price\n"
    run(header + "\n".join(lines[:120]))
    assert "180 rows imported; 120 were there already" in run(header + "\n".join(lines)).output
    assert len(rows(database)) == 300


def test_wrong_settings_end_with_78(environ: dict[str, str | None], tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(GOOD)
    done = CliRunner().invoke(
        main, ["import", "prices", str(tmp_path / "prices.csv")], env={**environ, "API_PORT": "80"}
    )
    assert done.exit_code == 78

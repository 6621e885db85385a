"""What the integration process does about rows that are missing: it spools, replays and heals."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.adapters.database.engine import Database, open_database
from app.adapters.database.events import DatabaseEventLog
from app.adapters.database.migration import downgrade, upgrade
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.esplora_blocks import GENESIS
from app.adapters.run_lock import only_run
from app.domain.price.comparison import PriceComparison
from tests.fakes.bitcoin_node import FakeNode, running
from tests.fakes.esplora_node import esplora
from tests.fakes.published import COMMITTED, chain
from tests.throwaway_postgresql import ThrowawayPostgresql

START = datetime(2024, 6, 16, 0, 20, tzinfo=UTC)
END = datetime(2024, 6, 17, tzinfo=UTC)


@pytest.fixture
def node() -> Iterator[FakeNode]:
    with running(chain(COMMITTED)) as served:
        yield served


@pytest.fixture
def environ(tmp_path: Path, node: FakeNode, database_url: str) -> dict[str, str]:
    (tmp_path / "state").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "UTXORACLE_ENV_FILE": "/dev/null",
        "STATE_DIRECTORY": str(tmp_path / "state"),
        "RUNTIME_DIRECTORY": str(tmp_path),
        "JWT_SECRET_KEY": "s" * 32,
        "DATABASE_URL": database_url,
        "BITCOIN_RPC_URL": node.url,
        "ELECTRS_API_URL": "",
        "EXCHANGE_COMPARISON_ENABLED": "false",
        "ONCHAIN_WINDOW_BLOCKS": "40",
    }


def outcome(environ: dict[str, str], change: str = "") -> tuple[int, list[dict[str, object]]]:
    """Do a run; `change` is done to its module before."""
    program = f"import sys\nfrom app.processes import integration\n{change}\nsys.exit(integration.main())"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


def told(lines: list[dict[str, object]]) -> list[object]:
    return [line["event"] for line in lines]


def waiting(environ: dict[str, str]) -> list[Path]:
    return sorted(Path(environ["STATE_DIRECTORY"]).glob("spool/*.json"))


def backfilled(database: Database) -> list[PriceComparison]:
    rows = DatabasePriceHistory(database, lambda: None).between(START, END)
    return [row for row in rows if row.source == "backfill"]


def check_spooled(environ: dict[str, str]) -> None:
    code, lines = outcome(environ)
    assert (code, len(waiting(environ))) == (2, 1)
    assert told(lines)[-2:] == ["a row waits in the spool", "the run failed"]
    row = json.loads(waiting(environ)[0].read_bytes())
    assert (row["block_height"], row["source"]) == (848_142, "live")


def check_replayed(environ: dict[str, str], database: Database) -> None:
    slot = json.loads(waiting(environ)[0].read_bytes())["timestamp"].replace("Z", "+00:00")
    code, lines = outcome(environ)
    assert (code, waiting(environ)) == (0, [])
    assert "rows of the spool were replayed" in told(lines)
    events = DatabaseEventLog(database).after(0, 10)
    # The run itself has a row too, perhaps of the same slot.
    assert (len(events), events[0].payload["timestamp"]) == (2, slot)


def test_a_row_that_postgresql_missed_is_replayed_by_the_next_run(environ: dict[str, str], tmp_path: Path) -> None:
    server = ThrowawayPostgresql.start()
    try:
        url = server.new_database()
        with open_database(url) as database:
            upgrade(database)
            server.stop()
            check_spooled(environ | {"DATABASE_URL": url})
            server.resume()
            check_replayed(environ | {"DATABASE_URL": url}, database)
    finally:
        server.remove()
    assert (tmp_path / "state" / "spool").stat().st_mode & 0o777 == 0o700


def test_a_row_that_sqlite_missed_is_replayed_by_the_next_run(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    changed = environ | {"DATABASE_URL": f"sqlite:///{file}"}
    check_spooled(changed)
    with open_database(changed["DATABASE_URL"], create=True) as database:
        upgrade(database)
        check_replayed(changed, database)


def test_a_row_that_an_old_schema_could_not_take_is_replayed_after_the_upgrade(
    environ: dict[str, str], database: Database
) -> None:
    downgrade(database, "base")
    check_spooled(environ)
    upgrade(database)
    check_replayed(environ, database)


@pytest.fixture
def first_live(database: Database) -> None:
    row = PriceComparison(timestamp=START, invalid_reason="node_unreachable")
    DatabasePriceHistory(database, lambda: None).record(row, START)


@pytest.mark.usefixtures("first_live")
def test_after_its_row_a_run_fills_what_downtime_left_open(environ: dict[str, str], database: Database) -> None:
    code, lines = outcome(environ)
    assert (code, told(lines)[-2:]) == (0, ["price compared", "gaps filled"])
    filled = backfilled(database)
    assert lines[-1]["invalid"] == len([row for row in filled if not row.is_valid])
    assert (lines[-1]["left"], lines[-1]["lost"]) == (0, 0)
    assert len(filled) > 5
    code, lines = outcome(environ)
    assert (code, told(lines)[-1], backfilled(database)) == (0, "price compared", filled)


@pytest.mark.usefixtures("first_live")
def test_what_a_pruned_node_lacks_waits_for_electrs_and_is_filled_once_it_is_back(
    environ: dict[str, str], database: Database, node: FakeNode
) -> None:
    node.instead = {node.hash_at(height): None for height in chain(COMMITTED) if height < 848_099}
    mark = Path(environ["STATE_DIRECTORY"]) / "healed.json"
    with esplora(chain(COMMITTED), genesis=GENESIS["main"]) as electrs:
        environ = environ | {"ELECTRS_API_URL": electrs.url}
        electrs.status = 503
        code, lines = outcome(environ)
        waiting, filled = (each for each in lines if str(each["event"]).startswith("gaps "))
        assert (code, waiting["event"]) == (0, "gaps wait for a source of blocks that is away")
        assert re.search("bitcoind at .* has deleted .*; nobody else .*: electrs at .* 503", str(waiting["reason"]))
        assert (filled["lost"], filled["left"]) == (0, waiting["gaps"])
        early = backfilled(database)
        assert early, "those after them are not held up"
        until = datetime.fromisoformat(json.loads(mark.read_bytes())["until"])
        assert until.isoformat() == waiting["from"]
        electrs.status = None
        # As the operator does who does not want to wait until it is asked again.
        (Path(environ["STATE_DIRECTORY"]) / "sources.json").unlink()
        code, lines = outcome(environ)
    assert (code, lines[-1]["event"], lines[-1]["lost"]) == (0, "gaps filled", 0)
    assert len(backfilled(database)) == len(early) + int(str(waiting["gaps"]))
    assert datetime.fromisoformat(json.loads(mark.read_bytes())["until"]) > END


@pytest.mark.usefixtures("first_live")
def test_gaps_are_left_to_a_backfill_that_is_under_way(environ: dict[str, str], database: Database) -> None:
    with only_run(Path(environ["STATE_DIRECTORY"]) / "backfill.lock"):
        code, lines = outcome(environ)
    assert (code, told(lines)[-1], backfilled(database)) == (0, "price compared", [])


@pytest.mark.usefixtures("first_live")
@pytest.mark.parametrize(
    "fault",
    [
        "raise KeyError('a mistake')",
        "raise integration.OnchainPriceError('no')",
        "raise integration.StorageError('no')",
    ],
)
def test_gaps_that_cannot_be_filled_fail_no_run(environ: dict[str, str], database: Database, fault: str) -> None:
    broken = f"class Broken:\n    def __init__(self, *_): pass\n    def run(self, *_): {fault}\n"
    change = f"{broken}integration.Healing = Broken"
    code, lines = outcome(environ, change)
    assert (code, told(lines)[-2:], backfilled(database)) == (0, ["price compared", "gaps could not be filled"], [])


@pytest.mark.usefixtures("first_live")
def test_a_run_without_an_estimate_fills_nothing(environ: dict[str, str], database: Database, node: FakeNode) -> None:
    node.syncing = True
    code, _ = outcome(environ)
    assert (code, backfilled(database)) == (2, [])

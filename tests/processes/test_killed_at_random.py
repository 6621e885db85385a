"""Runs, back-fills and imports that are killed at random, 200 times, leave what undisturbed ones leave.

Each round begins with a database of its own, a spool with rows in it and a history with a gap; ten programs of it are
killed somewhere on their way. Then all run to their end once.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.adapters.database.engine import open_database
from app.adapters.database.migration import upgrade
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.extract_files import ExtractFiles
from app.adapters.spool import FileSpool
from app.domain.price.comparison import PriceComparison
from tests.fakes.bitcoin_node import FakeNode, running
from tests.fakes.published import COMMITTED, chain

SEED = 20_261_124
ROUNDS, KILLS_A_ROUND = 20, 10
# How much of a program's time passes until it is killed, at most: some get to their end in spite of it.
SHARE = 0.9

FIRST_LIVE = datetime(2024, 6, 16, 0, 50, tzinfo=UTC)
SPOOLED = [datetime(2024, 6, 20, tzinfo=UTC) + each * timedelta(minutes=10) for each in range(6)]
IMPORTED = 4_500
PROGRAMS = {
    "run": ["integration"],
    "back-fill": ["backfill", "--from", FIRST_LIVE.isoformat(), "--to", "2024-06-16"],
    "import": ["import", "prices", "prices.csv"],
}
# Different with each run, or each time that a row is written: what was kept of a block has no source any more.
_OTHERWISE = {"id", "created_at", "block_source"}


class Lane:
    """A process that forks programs, one after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.processes.killable"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )

    def run(self, program: list[str], environ: dict[str, str], seconds: float | None = None) -> tuple[int, float]:
        """Return the wait status and how long it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"program": program, "environ": environ, "seconds": seconds}) + "\n")
        self._process.stdin.flush()
        status, took = json.loads(self._process.stdout.readline())
        return status, took

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()


@dataclass(frozen=True)
class Place:
    """A state directory, and what a round leaves in it."""

    state: Path
    node_url: str

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "UTXORACLE_ENV_FILE": "/dev/null",
            "STATE_DIRECTORY": str(self.state),
            "RUNTIME_DIRECTORY": str(self.state / "run"),
            "JWT_SECRET_KEY": "s" * 32,
            "BITCOIN_RPC_URL": self.node_url,
            "ELECTRS_API_URL": "",
            "EXCHANGE_COMPARISON_ENABLED": "false",
            "ONCHAIN_WINDOW_BLOCKS": "24",
        }

    def programs(self) -> dict[str, list[str]]:
        return {name: [each.replace("prices.csv", str(self.file)) for each in how] for name, how in PROGRAMS.items()}

    @property
    def file(self) -> Path:
        return self.state / "prices.csv"

    def rows(self) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.state / "utxoracle.db")) as connection:
            connection.row_factory = sqlite3.Row
            found = [dict(row) for row in connection.execute("SELECT * FROM price_comparisons")]
        return [{name: value for name, value in row.items() if name not in _OTHERWISE} for row in found]

    def by_slot(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the rows but those of now, which have another slot each time."""
        return {(row["timestamp"], row["source"]): row for row in self.rows() if row["timestamp"] < "2025"}

    def of_now(self) -> list[dict[str, Any]]:
        rows = [row for row in self.rows() if row["timestamp"] > "2025"]
        return [{name: value for name, value in row.items() if name != "timestamp"} for row in rows]

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        with closing(sqlite3.connect(self.state / "utxoracle.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            found = connection.execute("SELECT type, payload FROM events ORDER BY id").fetchall()
        return [(kind, json.loads(payload)) for kind, payload in found]


@pytest.fixture(scope="module")
def node() -> Iterator[FakeNode]:
    with running(chain(COMMITTED)) as served:
        yield served


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory in which everything is still to be done."""
    state = tmp_path_factory.mktemp("template")
    with open_database(f"sqlite:///{state / 'utxoracle.db'}", create=True) as database:
        upgrade(database)
        row = PriceComparison(timestamp=FIRST_LIVE, invalid_reason="node_unreachable")
        DatabasePriceHistory(database, lambda: None).record(row, FIRST_LIVE)
    spool = FileSpool(state / "spool")
    for slot in SPOOLED:
        spool.put(PriceComparison(timestamp=slot, invalid_reason="not_enough_data"))
    start = datetime(2016, 1, 1, tzinfo=UTC)
    lines = [f"{(start + each * timedelta(minutes=10)).isoformat()},{400 + each / 100}" for each in range(IMPORTED)]
    (state / "prices.csv").write_text("\n".join(["timestamp,exchange_price", *lines]))
    return state


@contextmanager
def lane() -> Iterator[Lane]:
    opened = Lane()
    try:
        yield opened
    finally:
        opened.close()


def place(template: Path, directory: Path, node: FakeNode) -> Place:
    shutil.copytree(template, directory)
    return Place(directory, node.url)


def finish(at: Place, on: Lane, names: Iterable[str] = ("import", "back-fill", "run")) -> dict[str, float]:
    """Run every program to its end; return how long each took."""
    took = {}
    for name in names:
        status, took[name] = on.run(at.programs()[name], at.environ)
        assert status == 0, f"{name} ended with {os.waitstatus_to_exitcode(status)}"
    return took


def killed_round(number: int, at: Place, durations: dict[str, float], on: Lane) -> int:
    """Kill ten programs of a round; return how many that were. Who has little left to do may be done before."""
    chance = random.Random(SEED + number)  # noqa: S311 - to be the same each time
    longest, killed = dict(durations), 0
    for _ in range(10 * KILLS_A_ROUND):
        name = chance.choice(sorted(PROGRAMS))
        status, took = on.run(at.programs()[name], at.environ, chance.uniform(0, SHARE * longest[name]))
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            killed += 1
        else:
            # It has little left to do, and the next of its kind even less.
            longest[name] = min(longest[name], took)
        if killed == KILLS_A_ROUND:
            break
    return killed


def check(at: Place, undisturbed: Place) -> None:
    rows = at.rows()
    assert len({(row["timestamp"], row["source"]) for row in rows}) == len(rows), "a row is there twice"
    assert at.by_slot() == undisturbed.by_slot()
    assert at.of_now()
    assert all(row == undisturbed.of_now()[0] for row in at.of_now())
    told = Counter((payload["timestamp"], payload["source"]) for kind, payload in at.events() if kind == "price_update")
    expected = {
        (row["timestamp"].replace(" ", "T").replace(".000000", "") + "+00:00", row["source"])
        for row in rows
        if row["source"] != "import" and row["timestamp"] < "2025"
    }
    assert {slot: told[slot] for slot in expected} == dict.fromkeys(expected, 1), "an event is lost or doubled"
    assert sum(payload["rows"] for kind, payload in at.events() if kind == "prices_imported") == IMPORTED
    assert list(FileSpool(at.state / "spool").waiting()) == []
    assert not list(at.state.glob("spool/*.aside"))
    check_cache(at)


def check_cache(at: Place) -> None:
    files = list(at.state.rglob("*.extract"))
    assert files, "nothing is kept of blocks"
    for file in files:
        height, _, block_hash = file.stem.partition("-")
        kept = ExtractFiles(file.parent).get(int(height), block_hash)
        assert kept is not None, f"{file.name} is broken"


@pytest.mark.timeout(240)
def test_nothing_is_lost_doubled_or_wrong_after_two_hundred_kills(
    node: FakeNode, template: Path, tmp_path: Path
) -> None:
    undisturbed = place(template, tmp_path / "undisturbed", node)
    healed = place(template, tmp_path / "healed by the run", node)
    with lane() as one, lane() as other, ThreadPoolExecutor(2) as lanes:
        durations = finish(undisturbed, one)
        # Here the run has the gaps to fill, and takes longer.
        durations["run"] = finish(healed, one, ("run", "import", "back-fill"))["run"]
        check(healed, undisturbed)

        def play(on: Lane, numbers: range) -> int:
            killed = 0
            for number in numbers:
                at = place(template, tmp_path / f"round {number}", node)
                killed += killed_round(number, at, durations, on)
                finish(at, on)
                check(at, undisturbed)
            return killed

        played = [lanes.submit(play, one, range(0, ROUNDS, 2)), lanes.submit(play, other, range(1, ROUNDS, 2))]
        killed = sum(each.result() for each in played)
    check(undisturbed, undisturbed)
    assert len(undisturbed.by_slot()) > IMPORTED + len(SPOOLED) + 5
    assert killed == ROUNDS * KILLS_A_ROUND

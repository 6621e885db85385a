"""Runs, back-fills and imports that are killed at random, 200 times, leave what undisturbed ones leave.

Each round begins with a database of its own, a spool with rows in it and a history with a gap; ten programs of it are
killed somewhere on their way, and what they leave in files is looked at before anything could mend it. Then all run to
their end once.
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
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.adapters.database.engine import open_database
from app.adapters.database.migration import upgrade
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.extract_files import ExtractFiles
from app.adapters.extract_format import ForeignBytesError, unpacked
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
    "run without the database": ["integration"],
    "back-fill": ["backfill", "--from", FIRST_LIVE.isoformat(), "--to", "2024-06-16"],
    # What is before the first live row no run heals.
    "back-fill by two": ["backfill", "--from", "2024-06-15T21:00Z", "--to", FIRST_LIVE.isoformat()],
    "back-fill by one": ["backfill", "--from", "2024-06-15T21:00Z", "--to", FIRST_LIVE.isoformat()],
    "import": ["import", "prices", "prices.csv"],
}
TO_THEIR_END = ("import", "back-fill", "back-fill by one", "run")
# Two processes take long to start.
HOW_OFTEN = {"back-fill": 6, "back-fill by two": 1, "import": 6, "run": 6, "run without the database": 4}
# Before and after each flush of a row that goes into the spool: of its file, and of the directory.
FLUSH_MOMENTS = 4
# An extract's is written as quickly as that; a window has more of them than these.
CACHE_WRITES, WRITE_SECONDS = 20, 0.0003
# Each run without the database has a slot of its own: that its row is lost cannot be hidden by a later one's.
FIRST_AWAY = datetime(2025, 6, 1, tzinfo=UTC)
NO_DATABASE = {"DATABASE_URL": "sqlite:////nowhere/utxoracle.db"}
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

    def run(
        self, program: list[str], environ: dict[str, str], seconds: float | None = None, **how: object
    ) -> tuple[int, float]:
        """Return the wait status and how long it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(
            json.dumps({"program": program, "environ": environ, "seconds": seconds, "how": how}) + "\n"
        )
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

    def run(self, name: str, on: Lane, seconds: float | None = None, **how: object) -> tuple[int, float]:
        environ = self.environ
        if name == "run without the database":
            environ, how = environ | NO_DATABASE, {"now": FIRST_AWAY.isoformat()} | how
        if name == "back-fill by two":
            how["worth_workers"] = 2
        return on.run(self.programs()[name], environ, seconds, **how)

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

    def away(self) -> set[datetime]:
        """Return the slots of the rows that were made without the database."""
        slots = [row["timestamp"] for row in self.rows() if "2025" < row["timestamp"] < "2026"]
        return {datetime.fromisoformat(slot).replace(tzinfo=UTC) for slot in slots}

    def is_spooled(self, slot: datetime) -> bool:
        return (self.state / "spool" / f"{slot:%Y%m%dT%H%M%S.%fZ}-live.json").exists()

    def processes(self) -> list[str]:
        """Return the command lines of the processes that were started by its programs and are still there."""
        mark, found = f"STATE_DIRECTORY={self.state}".encode(), []
        for each in Path("/proc").glob("[0-9]*"):
            # It may end while we look, and others are not ours to look at.
            with suppress(OSError):
                if mark in (each / "environ").read_bytes().split(b"\0"):
                    found.append((each / "cmdline").read_text().replace("\0", " "))
        return found

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


def finish(at: Place, on: Lane, names: Iterable[str] = TO_THEIR_END) -> dict[str, float]:
    """Run every program to its end; return how long each took."""
    took = {}
    for name in names:
        status, took[name] = at.run(name, on)
        assert_ended(name, status)
    return took


def assert_ended(name: str, status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    assert code == (2 if name == "run without the database" else 0), f"{name} ended with {code}"


@dataclass
class Killed:
    """What became of the programs of a round, or of all.

    Attributes:
        times: How often one was killed, by its name.
        kept: The slots of the runs without the database that came to put their row into the spool.
        half_spooled: Kills that hit a row on its way there.
        orphaned: Kills that left other processes, which have to end by themselves.
    """

    times: Counter[str] = field(default_factory=Counter)
    kept: set[datetime] = field(default_factory=set)
    half_spooled: int = 0
    orphaned: int = 0


def killed_round(number: int, at: Place, durations: dict[str, float], on: Lane) -> Killed:
    """Kill ten programs of a round. Who has little left to do may be done before."""
    chance = random.Random(SEED + number)  # noqa: S311 - to be the same each time
    longest, found = dict(durations), Killed()
    for attempt in range(10 * KILLS_A_ROUND):
        slot, seconds, how = FIRST_AWAY + attempt * timedelta(minutes=10), None, dict[str, object]()
        (name,) = chance.choices(list(HOW_OFTEN), list(HOW_OFTEN.values()))
        # At any time, or while it writes what has to be whole.
        in_writing = chance.random() < 0.4
        if name == "run without the database":
            how["now"] = slot.isoformat()
        if in_writing and name == "run without the database":
            how["flush_moment"] = chance.randrange(FLUSH_MOMENTS)
        elif in_writing and name in {"run", "back-fill"}:
            # Whoever does that has all blocks written anew.
            shutil.rmtree(at.state / "cache", ignore_errors=True)
            how["after_write"] = chance.randrange(CACHE_WRITES), chance.uniform(WRITE_SECONDS / 100, WRITE_SECONDS)
        else:
            seconds = chance.uniform(0, SHARE * longest[name])
        status, took = at.run(name, on, seconds, **how)
        check_files(at, name)
        if at.is_spooled(slot):
            found.kept.add(slot)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in {signal.SIGKILL, signal.SIGALRM}:
            found.times[name] += 1
            found.half_spooled += bool(list(at.state.glob(f"spool/{slot:%Y%m%dT%H%M}*.new")))
            found.orphaned += bool(at.processes())
        else:
            assert_ended(name, status)
            assert name != "run without the database" or slot in found.kept, "a row is lost"
            # It has little left to do, and the next of its kind even less.
            longest[name] = min(longest[name], took)
        if found.times.total() == KILLS_A_ROUND:
            break
    return found


def check_files(at: Place, name: str) -> None:
    """Check that what has its final name is whole: programs that come later might mend it, or throw it away."""
    for file in at.state.rglob("*.extract"):
        # What a killed program started may go on for a moment, and may take one away.
        with suppress(FileNotFoundError):
            try:
                unpacked(file.read_bytes())
            except ForeignBytesError:
                raise AssertionError(f"{name} left a broken {file.name}") from None
    for file in at.state.glob("spool/*.json"):
        assert json.loads(file.read_bytes())["timestamp"], f"{name} left a broken {file.name}"


def check_nobody_is_left(at: Place) -> None:
    ends_at = time.monotonic() + 30
    while left := at.processes():
        assert time.monotonic() < ends_at, f"nobody ends {left}"
        time.sleep(0.02)


def check(at: Place, undisturbed: Place, away: set[datetime]) -> None:
    check_nobody_is_left(at)
    rows = at.rows()
    assert len({(row["timestamp"], row["source"]) for row in rows}) == len(rows), "a row is there twice"
    assert at.by_slot() == undisturbed.by_slot()
    assert at.away() == away
    assert len(at.of_now()) > len(away)
    assert all(row == undisturbed.of_now()[0] for row in at.of_now())
    told = Counter((payload["timestamp"], payload["source"]) for kind, payload in at.events() if kind == "price_update")
    expected = {
        (row["timestamp"].replace(" ", "T").replace(".000000", "") + "+00:00", row["source"])
        for row in rows
        if row["source"] != "import" and row["timestamp"] < "2026"
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


@pytest.mark.timeout(360)
def test_nothing_is_lost_doubled_or_wrong_after_two_hundred_kills(
    node: FakeNode, template: Path, tmp_path: Path
) -> None:
    undisturbed = place(template, tmp_path / "undisturbed", node)
    healed = place(template, tmp_path / "healed by the run", node)
    with lane() as one, lane() as other, ThreadPoolExecutor(2) as lanes:
        durations = finish(undisturbed, one)
        durations |= finish(healed, one, ("run without the database",))
        # Here the run has the gaps to fill, and takes longer.
        durations["run"] = finish(healed, one, ("run", "import", "back-fill"))["run"]
        durations |= finish(healed, one, ("back-fill by two",))
        check(healed, undisturbed, {FIRST_AWAY})

        def play(on: Lane, numbers: range) -> list[Killed]:
            found = []
            for number in numbers:
                at = place(template, tmp_path / f"round {number}", node)
                found.append(killed_round(number, at, durations, on))
                check_nobody_is_left(at)
                finish(at, on)
                check(at, undisturbed, found[-1].kept)
            return found

        played = [lanes.submit(play, one, range(0, ROUNDS, 2)), lanes.submit(play, other, range(1, ROUNDS, 2))]
        found = [killed for each in played for killed in each.result()]
    check(undisturbed, undisturbed, set())
    assert len(undisturbed.by_slot()) > IMPORTED + len(SPOOLED) + 15
    assert sum((each.times for each in found), Counter()).total() == ROUNDS * KILLS_A_ROUND
    assert all(sum(each.times[name] for each in found) > 5 for name in HOW_OFTEN)
    # Else the kills say nothing about what they are for.
    assert sum(each.half_spooled for each in found) > 0
    assert sum(len(each.kept) for each in found) > 0
    assert sum(each.orphaned for each in found) > 0

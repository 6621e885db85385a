"""Rows outlive an absence of the database in a spool, and are replayed once, in order."""

from __future__ import annotations

import json
import logging
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.adapters.database.events import DatabaseEventLog
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.spool import FileSpool
from app.domain.price.comparison import PriceComparison
from app.services.spooled_history import SpooledPriceHistory, SpoolError
from app.services.storage import StorageError, StorageUnavailableError

if TYPE_CHECKING:
    from app.adapters.database.engine import Database

SLOT = datetime(2026, 11, 24, 8, 10, tzinfo=UTC)
NOW = SLOT + timedelta(hours=5)
ROW = PriceComparison(
    timestamp=SLOT,
    utxoracle_price=88_000.1 + 1e-9,
    exchange_price=88_800.0,
    band_low=87_000.0,
    band_high=89_000.0,
    confidence=0.1 + 0.2,
    block_height=925_000,
    block_hash="ab" * 32,
    block_source="bitcoind-rest",
    exchange_time=SLOT - timedelta(minutes=3, microseconds=7),
    exchange_sources={"mempool": 88_800.0, "other": 88_801.5},
    is_valid=True,
)
INVALID = PriceComparison(timestamp=SLOT, invalid_reason="node_unreachable")


def later(slots: int, row: PriceComparison = ROW) -> PriceComparison:
    return replace(row, timestamp=SLOT + slots * timedelta(minutes=10))


@pytest.fixture
def spool(tmp_path: Path) -> FileSpool:
    return FileSpool(tmp_path / "spool")


class Away:
    """A history whose database can be taken away."""

    def __init__(self, history: DatabasePriceHistory) -> None:
        self._history = history
        self.is_away = False
        self.fails_after: int | None = None

    def __getattr__(self, name: str) -> object:
        if self.is_away:
            raise StorageUnavailableError("the database is away")
        if name == "record" and self.fails_after is not None:
            self.fails_after -= 1
            if self.fails_after < 0:
                raise StorageUnavailableError("the database is away again")
        return getattr(self._history, name)


@pytest.fixture
def away(database: Database) -> Away:
    return Away(DatabasePriceHistory(database, lambda: None))


@pytest.fixture
def history(away: Away, spool: FileSpool) -> SpooledPriceHistory:
    return SpooledPriceHistory(away, spool)  # type: ignore[arg-type] # it passes on what it is asked


@contextmanager
def without_database(away: Away) -> Iterator[None]:
    away.is_away = True
    yield
    away.is_away = False


def spooled(history: SpooledPriceHistory, away: Away, *rows: PriceComparison) -> None:
    with without_database(away):
        for row in rows:
            with pytest.raises(StorageError, match="away"):
                history.record(row, NOW)


def events(database: Database) -> list[str]:
    return [event.payload["timestamp"] for event in DatabaseEventLog(database).after(0, 1000)]


def test_a_row_comes_out_of_the_spool_as_it_went_in(spool: FileSpool) -> None:
    for row in (ROW, later(1, INVALID)):
        spool.put(row)
    assert list(spool.waiting()) == [ROW, later(1, INVALID)]
    spool.remove(ROW)
    assert list(spool.waiting()) == [later(1, INVALID)]


def test_rows_that_the_database_missed_are_replayed_in_order_before_the_next(
    history: SpooledPriceHistory, away: Away, database: Database, spool: FileSpool
) -> None:
    spooled(history, away, later(2), ROW, later(1, INVALID))
    assert events(database) == []
    history.record(later(3), NOW)
    assert history.between(SLOT, SLOT + timedelta(hours=1)) == [ROW, later(1, INVALID), later(2), later(3)]
    assert events(database) == [row.timestamp.isoformat() for row in (ROW, later(1), later(2), later(3))]
    assert list(spool.waiting()) == []


def test_a_row_that_was_committed_before_a_kill_is_not_told_again(
    history: SpooledPriceHistory, away: Away, database: Database, spool: FileSpool
) -> None:
    spooled(history, away, ROW)
    DatabasePriceHistory(database, lambda: None).record(ROW, NOW)
    assert history.replay(NOW) == 0
    assert (len(events(database)), list(spool.waiting())) == (1, [])


def test_a_database_that_goes_away_again_leaves_the_rest_waiting(
    history: SpooledPriceHistory, away: Away, database: Database, spool: FileSpool
) -> None:
    spooled(history, away, ROW, later(1), later(2))
    away.fails_after = 1
    with pytest.raises(StorageError, match="away again"):
        history.record(later(3), NOW)
    assert len(events(database)) == 1
    assert list(spool.waiting()) == [later(1), later(2), later(3)]
    away.fails_after = None
    assert history.replay(NOW) == 3


def test_the_error_says_that_the_row_waits(history: SpooledPriceHistory, away: Away) -> None:
    with without_database(away), pytest.raises(StorageError) as failure:
        history.record(ROW, NOW)
    assert failure.value.__notes__ == ["The row waits in the spool."]


def test_without_the_database_the_row_before_is_that_of_the_spool(history: SpooledPriceHistory, away: Away) -> None:
    spooled(history, away, ROW, later(1), later(2, INVALID), later(4))
    with without_database(away):
        assert history.newest_valid_before(later(3).timestamp) == later(1)
        assert history.newest_valid_before(SLOT) is None


def test_beginning_a_run_without_the_database_is_no_failure(history: SpooledPriceHistory, away: Away) -> None:
    spooled(history, away, ROW)
    with without_database(away):
        history.begin(NOW)
    history.begin(NOW)
    assert history.newest() == ROW


def test_a_valid_row_is_not_replaced_by_one_that_is_not(spool: FileSpool) -> None:
    for row in (INVALID, ROW, INVALID):
        spool.put(row)
    assert list(spool.waiting()) == [ROW]


def test_a_row_that_the_database_refuses_is_set_aside_and_blocks_nobody(
    history: SpooledPriceHistory, away: Away, spool: FileSpool, tmp_path: Path
) -> None:
    spooled(history, away, replace(ROW, confidence=7.0), later(1))
    assert history.replay(NOW) == 1
    assert history.between(SLOT, NOW) == [later(1)]
    assert list(spool.waiting()) == []
    (aside,) = tmp_path.glob("spool/*.aside")
    assert json.loads(aside.read_bytes())["confidence"] == 7.0


def test_what_a_killed_run_left_half_written_goes_with_the_next_row(
    history: SpooledPriceHistory, away: Away, tmp_path: Path
) -> None:
    spooled(history, away, ROW)
    next(tmp_path.glob("spool/*.json")).with_suffix(".new").write_bytes(b'{"timestamp"')
    spooled(history, away, later(1))
    assert {each.suffix for each in (tmp_path / "spool").iterdir()} == {".json"}


@pytest.mark.parametrize(
    "content",
    [b"", b'{"timestamp"', b'{"\xff": 7}', b"[]", b"{}", b'{"timestamp": 7}', b'{"timestamp": "2020-01-01T00:00:00Z"}'],
)
def test_a_file_that_holds_no_row_is_set_aside(
    history: SpooledPriceHistory, away: Away, tmp_path: Path, content: bytes
) -> None:
    spooled(history, away, ROW, later(1))
    first = min(tmp_path.glob("spool/*.json"))
    first.write_bytes(content)
    assert history.replay(NOW) == 1
    assert [each.suffix for each in (tmp_path / "spool").iterdir()] == [".aside"]


def test_what_a_later_release_knew_of_a_row_is_forgotten(
    history: SpooledPriceHistory, away: Away, tmp_path: Path
) -> None:
    spooled(history, away, ROW)
    (file,) = tmp_path.glob("spool/*.json")
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "mood": "good"}))
    history.replay(NOW)
    assert history.newest() == ROW


def test_a_write_that_was_cut_off_leaves_nothing_that_counts(spool: FileSpool, tmp_path: Path) -> None:
    spool.put(ROW)
    (tmp_path / "spool" / "20261124T082000.000000Z-live.new").write_bytes(b'{"timest')
    assert list(spool.waiting()) == [ROW]
    spool.put(later(1))
    assert list(spool.waiting()) == [ROW, later(1)]


def test_a_full_spool_makes_room_by_its_oldest_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = FileSpool(tmp_path / "spool", most_files=3)
    for each in range(5):
        spool.put(later(each))
    spool.put(later(4, replace(ROW, utxoracle_price=1e5)))
    assert [row.timestamp for row in spool.waiting()] == [later(each).timestamp for each in (2, 3, 4)]
    assert caplog.messages == ["the spool is full: its oldest row is lost"] * 2


def test_a_disk_without_room_loses_the_row_says_so_and_leaves_no_half_of_it(
    tmp_path: Path, history: SpooledPriceHistory, away: Away, caplog: pytest.LogCaptureFixture
) -> None:
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from app.adapters.spool import FileSpool\n"
        "from app.services.spooled_history import SpoolError\n"
        "from tests.adapters.test_spool import ROW\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    FileSpool(Path(sys.argv[1])).put(ROW)\n"
        "except SpoolError as error:\n"
        "    sys.exit(str(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "spool"],
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, list((tmp_path / "spool").iterdir())) == (1, [])
    assert "cannot be written (File too large)" in done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100
    (tmp_path / "spool").rmdir()
    (tmp_path / "spool").write_text("no directory")
    with (
        without_database(away),
        caplog.at_level(logging.ERROR),
        pytest.raises(StorageError, match="is away") as failure,
    ):
        history.record(ROW, NOW)
    assert "Nor could the row be spooled" in failure.value.__notes__[0]
    assert "a row is lost" in caplog.messages


def test_a_row_that_cannot_be_removed_is_not_told_twice(
    history: SpooledPriceHistory, away: Away, database: Database, spool: FileSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_comparison: PriceComparison) -> None:
        raise SpoolError("it cannot be removed")

    spooled(history, away, ROW)
    with monkeypatch.context() as patched:
        patched.setattr(spool, "remove", refuse)
        history.record(later(1), NOW)
    assert len(events(database)) == 2
    history.record(later(2), NOW)
    assert (len(events(database)), list(spool.waiting())) == (3, [])

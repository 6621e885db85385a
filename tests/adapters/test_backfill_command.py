"""`utxoracle backfill`, as an operator runs it, against a stand-in node."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.adapters.database.engine import Database, open_database
from app.adapters.database.migration import upgrade
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.esplora_blocks import GENESIS
from app.adapters.run_lock import only_run
from app.domain.price.comparison import PriceComparison
from tests.fakes.bitcoin_node import FakeNode, running
from tests.fakes.esplora_node import esplora
from tests.fakes.published import COMMITTED, chain
from tests.node.bitcoind import free_port

COMMAND = Path(sys.executable).parent / "utxoracle"
RANGE = ("--from", "2024-06-16T00:20Z", "--to", "2024-06-16")
START, END = datetime(2024, 6, 16, 0, 20, tzinfo=UTC), datetime(2024, 6, 17, tzinfo=UTC)


@pytest.fixture
def node() -> Iterator[FakeNode]:
    with running(chain(COMMITTED)) as served:
        yield served


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(f"sqlite:///{tmp_path / 'utxoracle.db'}", create=True) as opened:
        upgrade(opened)
        yield opened


@pytest.fixture
def environ(tmp_path: Path, node: FakeNode, database: Database) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "UTXORACLE_ENV_FILE": "/dev/null",
        "STATE_DIRECTORY": str(tmp_path),
        "RUNTIME_DIRECTORY": str(tmp_path),
        "JWT_SECRET_KEY": "s" * 32,
        "DATABASE_URL": database.url.render_as_string(),
        "BITCOIN_RPC_URL": node.url,
        "ELECTRS_API_URL": "",
        "MEMPOOL_API_URL": f"http://127.0.0.1:{free_port()}",
        "ONCHAIN_WINDOW_BLOCKS": "40",
    }


def backfill(environ: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "backfill", *options], env=environ, capture_output=True, text=True, check=False, timeout=120
    )


def rows(database: Database) -> list[PriceComparison]:
    return list(DatabasePriceHistory(database, lambda: None).between(START - timedelta(days=9), END))


def test_it_says_what_is_missing_and_fills_it(environ: dict[str, str], database: Database) -> None:
    dry = backfill(environ, *RANGE, "--dry-run")
    assert (dry.returncode, dry.stderr, rows(database)) == (0, "", [])
    first_line, days = dry.stdout.splitlines()
    assert first_line.startswith("from 2024-06-16T00:20+00:00 to 2024-06-17T00:00+00:00: ")
    assert days == "UTC days without any price: 1, from 2024-06-16 to 2024-06-16"
    count = int(first_line.split(": ")[1].split()[0])
    done = backfill(environ, *RANGE)
    assert done.returncode == 0, done.stderr
    assert len(rows(database)) == count > 5
    assert all(START <= row.timestamp < END and row.source == "backfill" for row in rows(database))
    assert "no history of exchange rates" in done.stderr
    again = backfill(environ, *RANGE)
    assert (again.returncode, again.stdout.splitlines()[0].endswith(" 0 blocks without a price")) == (0, True)


def test_two_at_once_are_impossible(environ: dict[str, str], database: Database, tmp_path: Path) -> None:
    with only_run(tmp_path / "backfill.lock"):
        done = backfill(environ, *RANGE)
    assert (done.returncode, rows(database)) == (2, [])
    assert "another run is under way" in done.stderr


def test_what_gave_no_price_is_tried_again_only_when_asked_for(environ: dict[str, str], database: Database) -> None:
    assert backfill(environ, *RANGE).returncode == 0
    invalid = [row for row in rows(database) if not row.is_valid]
    assert invalid, "the chain is too thin for prices"
    again = backfill(environ, *RANGE, "--retry-invalid", "--dry-run")
    assert f": {len(invalid)} blocks without a price" in again.stdout


def test_an_interrupted_one_ends_with_what_is_done_and_goes_on_later(
    environ: dict[str, str], database: Database, node: FakeNode
) -> None:
    whole = backfill(environ, *RANGE, "--dry-run").stdout
    reached, interrupted = threading.Event(), threading.Event()
    late = node.hash_at(848_139)

    def wait(block_hash: str) -> None:
        if block_hash == late:
            reached.set()
            interrupted.wait(30)

    node.before_block = wait
    process = subprocess.Popen(
        [COMMAND, "backfill", *RANGE], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert reached.wait(60)
    process.send_signal(signal.SIGINT)
    interrupted.set()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "left; start it again to go on" in errors
    assert "Traceback" not in errors
    done = len(rows(database))
    assert done > 0
    rest = backfill(environ, *RANGE, "--dry-run").stdout
    total = int(whole.split(": ")[1].split()[0])
    assert int(rest.split(": ")[1].split()[0]) == total - done > 0
    node.before_block = lambda _: None
    assert backfill(environ, *RANGE).returncode == 0
    assert len(rows(database)) == total


def test_a_pruned_node_has_what_is_lost_told_and_the_rest_filled(
    environ: dict[str, str], database: Database, node: FakeNode
) -> None:
    kept = {height: raw for height, raw in chain(COMMITTED).items() if height >= 848_099}
    node.instead = {node.hash_at(height): None for height in chain(COMMITTED) if height not in kept}
    with esplora(kept, "/api/v1", genesis=GENESIS["main"]) as mempool:
        done = backfill(environ | {"MEMPOOL_API_URL": mempool.url}, *RANGE)
    assert done.returncode == 0, done.stderr
    assert "are lost: the node is pruned, and no other source has their blocks" in done.stdout
    assert rows(database)
    assert all((row.block_height or 0) - 39 >= 848_099 for row in rows(database))


def test_what_a_source_may_have_that_is_away_is_told_and_is_filled_by_the_next_start(
    environ: dict[str, str], database: Database, node: FakeNode
) -> None:
    node.instead = {node.hash_at(height): None for height in chain(COMMITTED) if height < 848_099}
    with esplora(chain(COMMITTED), genesis=GENESIS["main"]) as electrs:
        environ = environ | {"ELECTRS_API_URL": electrs.url}
        electrs.status = 503
        done = backfill(environ, *RANGE)
        assert done.returncode == 2
        early = rows(database)
        assert early
        assert all((row.block_height or 0) - 39 >= 848_099 for row in early)
        assert "lost" not in done.stdout
        assert re.search(
            r"has deleted a block .*; nobody else gives it at present: electrs at .* 503; mempool", done.stderr
        )
        assert re.search(r"\d+ were passed over, see above; start it again", done.stderr)
        electrs.status = None
        again = backfill(environ, *RANGE)
    assert again.returncode == 0, again.stderr
    assert len(rows(database)) > len(early)
    assert backfill(environ, *RANGE, "--dry-run").stdout.splitlines()[0].endswith(" 0 blocks without a price")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"BITCOIN_RPC_URL": "http://127.0.0.1:9"}, "cannot be reached"),
        ({"BITCOIN_NETWORK": "signet"}, "BITCOIN_NETWORK says signet"),
        ({"DATABASE_URL": "sqlite:////nowhere/utxoracle.db"}, "does not exist; create it"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_code_2(
    environ: dict[str, str], database: Database, changed: dict[str, str], sentence: str
) -> None:
    done = backfill(environ | changed, *RANGE)
    assert (done.returncode, rows(database)) == (2, [])
    assert sentence in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--from", "yesterday"), "neither a day"),
        (("--from", "2024-06-15T22:00"), "nor a time with its offset"),
        (("--from", "2024-06-16", "--to", "2024-06-15"), "is --to right?"),
        (("--from", "2099-01-01"), "no slot"),
    ],
)
def test_a_range_that_is_none_is_refused(environ: dict[str, str], options: tuple[str, ...], sentence: str) -> None:
    done = backfill(environ, *options)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_wrong_settings_end_with_78(environ: dict[str, str]) -> None:
    assert backfill(environ | {"API_PORT": "80"}).returncode == 78


def test_an_empty_history_is_filled_from_a_month_ago(environ: dict[str, str]) -> None:
    done = backfill(environ, "--dry-run")
    assert done.returncode == 0, done.stderr
    start = datetime.fromisoformat(done.stdout.split()[1])
    assert abs(datetime.now(UTC) - timedelta(days=30) - start) < timedelta(minutes=10)


def test_on_a_terminal_there_is_a_bar_with_the_time_that_is_left(
    environ: dict[str, str], database: Database, node: FakeNode
) -> None:
    last = {node.hash_at(height) for height in range(848_134, 848_143)}
    # The bar tells the time that is left once a second.
    node.before_block = lambda block_hash: time.sleep(0.3 * (block_hash in last))
    screen, terminal = pty.openpty()
    done = subprocess.run(
        [COMMAND, "backfill", *RANGE],
        env=environ | {"EXCHANGE_COMPARISON_ENABLED": "false", "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        check=False,
        timeout=60,
    )
    os.close(terminal)
    shown = os.read(screen, 1 << 16).decode()
    os.close(screen)
    assert done.returncode == 0, shown
    assert f"{len(rows(database))}/{len(rows(database))}" in shown
    assert re.search(r"\d\d:\d\d:\d\d", shown)
    assert "#" in shown


def test_many_gaps_are_shared_by_two_processes_with_the_same_rows(
    environ: dict[str, str], database: Database, tmp_path: Path
) -> None:
    assert backfill(environ, *RANGE).returncode == 0
    alone = rows(database)
    with open_database(f"sqlite:///{tmp_path / 'other.db'}", create=True) as other:
        upgrade(other)
        program = (
            "import sys\nfrom app import cli\nfrom app.commands import backfill\n"
            "if __name__ == '__main__':\n"
            "    backfill._WORTH_WORKERS = 2\n"
            f"    cli.main({['backfill', *RANGE]!r})\n"
        )
        (tmp_path / "program.py").write_text(program)
        done = subprocess.run(
            [sys.executable, tmp_path / "program.py"],
            env=environ | {"DATABASE_URL": other.url.render_as_string(), "PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert rows(other) == alone

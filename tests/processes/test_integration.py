"""The integration process, as systemd starts it, against a real bitcoind and a real database."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.adapters.database import migration
from app.adapters.database.engine import Database
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.run_lock import only_run
from app.domain.price.comparison import PriceComparison
from app.processes.integration import PATIENCE_SECONDS
from tests.fakes.bitcoin_node import running
from tests.fakes.published import CASES, COMMITTED, chain
from tests.fakes.trickle import ENDLESS_BODY, ENDLESS_HEAD, trickling
from tests.node.bitcoind import Bitcoind, free_port, regtest_bitcoind


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitcoind]:
    with regtest_bitcoind(tmp_path_factory.mktemp("bitcoind"), rest=False) as running:
        running.mine(10)
        yield running


@pytest.fixture
def environ(tmp_path: Path, node: Bitcoind, database_url: str) -> dict[str, str]:
    (tmp_path / "state").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "UTXORACLE_ENV_FILE": "/dev/null",
        "STATE_DIRECTORY": str(tmp_path / "state"),
        "RUNTIME_DIRECTORY": str(tmp_path),
        "JWT_SECRET_KEY": "s" * 32,
        "DATABASE_URL": database_url,
        "BITCOIN_NETWORK": "regtest",
        "BITCOIN_RPC_URL": node.rpc_url,
        "BITCOIN_RPC_COOKIE_FILE": str(node.cookie),
        "MEMPOOL_API_URL": f"http://127.0.0.1:{free_port()}",
    }


def integration(environ: dict[str, str], change: str = "") -> subprocess.Popen[str]:
    """Start a run; `change` is done to its module before."""
    program = f"import sys\nfrom app.processes import integration\n{change}\nsys.exit(integration.main())"
    how = ["-c", program] if change else ["-m", "app.processes.integration"]
    return subprocess.Popen([sys.executable, *how], env=environ, stderr=subprocess.PIPE, text=True)


def outcome(environ: dict[str, str], change: str = "") -> tuple[int, list[dict[str, object]]]:
    process = integration(environ, change)
    _, errors = process.communicate(timeout=60)
    return process.returncode, [json.loads(line) for line in errors.splitlines()]


def newest(database: Database) -> PriceComparison | None:
    return DatabasePriceHistory(database, lambda: None).newest()


@contextmanager
def quoting(prices: str) -> Iterator[str]:
    """Serve `prices` as a mempool backend does; give its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(prices)))
            self.end_headers()
            self.wfile.write(prices.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_run_on_a_thin_chain_leaves_both_prices_and_says_that_it_is_thin(
    environ: dict[str, str], database: Database
) -> None:
    with running(chain(COMMITTED)) as published, quoting(f'{{"time": {int(time.time())}, "USD": 88000}}') as mempool:
        changed = {"BITCOIN_RPC_URL": published.url, "BITCOIN_NETWORK": "main", "MEMPOOL_API_URL": mempool}
        code, lines = outcome(environ | changed)
    row = newest(database)
    assert row is not None
    assert (code, row.invalid_reason, row.exchange_price) == (0, "too_few_points", 88_000.0)
    assert (row.block_count, row.block_source, lines[-1]["event"]) == (144, "bitcoind-rest", "price compared")
    assert row.difference_percent == pytest.approx(0, abs=5)


@pytest.mark.parametrize("usd", ["1e15", "1e-308"])
def test_an_odd_exchange_quote_leaves_a_row_without_a_rate(
    environ: dict[str, str], database: Database, usd: str
) -> None:
    with (
        running(chain(COMMITTED)) as published,
        quoting(f'{{"time": {int(time.time())}, "USD": {usd}}}') as mempool,
    ):
        changed = {"BITCOIN_RPC_URL": published.url, "BITCOIN_NETWORK": "main", "MEMPOOL_API_URL": mempool}
        code, lines = outcome(environ | changed)
    row = newest(database)
    assert row is not None
    assert (code, row.exchange_price) == (0, None)
    assert row.utxoracle_price is not None
    (reason,) = [line["reason"] for line in lines if line["event"] == "no exchange rate"]
    assert "is not plausible" in str(reason)


@pytest.mark.parametrize("reason", ["initial_block_download", "block_pruned"])
def test_a_node_that_is_not_fit_to_be_asked_leaves_a_row_and_exit_code_2(
    environ: dict[str, str], database: Database, reason: str
) -> None:
    with running(chain(COMMITTED)) as node:
        node.syncing = reason == "initial_block_download"
        node.instead = {node.hash_at(CASES[COMMITTED]["tip"] - 1): None}
        code, _ = outcome(environ | {"BITCOIN_RPC_URL": node.url, "BITCOIN_NETWORK": "main"})
    row = newest(database)
    assert row is not None
    assert (code, row.invalid_reason) == (2, reason)


def test_a_crash_leaves_a_row_and_exit_code_1_and_one_line_with_the_traceback(
    environ: dict[str, str], database: Database
) -> None:
    code, lines = outcome(environ, "integration.estimate_recent = lambda *_, **__: {}['a mistake']")
    row = newest(database)
    assert row is not None
    assert (code, row.is_valid, row.invalid_reason) == (1, False, "internal_error")
    assert (lines[-1]["event"], lines[-1]["level"]) == ("crashed", "critical")
    assert str(lines[-1]["traceback"]).endswith("KeyError: 'a mistake'")


@pytest.mark.parametrize("begins_with", [ENDLESS_HEAD, ENDLESS_BODY], ids=["head", "body"])
def test_a_node_that_trickles_bytes_leaves_a_row(
    environ: dict[str, str], database: Database, begins_with: bytes
) -> None:
    with trickling(begins_with) as url:
        code, lines = outcome(environ | {"BITCOIN_RPC_URL": url}, "integration.PATIENCE_SECONDS = 0.3")
    row = newest(database)
    assert row is not None
    assert (code, row.invalid_reason) == (2, "node_unreachable")
    assert "did not give the blocks of the window in time (not done within 0.3 s)" in json.dumps(lines)


def test_a_run_gives_a_slow_node_up_before_systemd_gives_the_run_up() -> None:
    unit = Path("templates/systemd/integration.service.j2").read_text(encoding="utf-8")
    (minutes,) = re.findall(r"^TimeoutStartSec=(\d+)min$", unit, re.MULTILINE)
    assert int(minutes) * 60 >= PATIENCE_SECONDS + 60


def test_a_chain_without_payments_leaves_a_row_that_says_so(environ: dict[str, str], database: Database) -> None:
    code, lines = outcome(environ)
    row = newest(database)
    assert row is not None
    assert (code, row.is_valid, row.invalid_reason) == (0, False, "not_enough_data")
    assert lines[-1]["event"] == "price compared"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"BITCOIN_RPC_URL": "http://127.0.0.1:9"}, "node_unreachable"),
        (
            {"BITCOIN_RPC_COOKIE_FILE": "", "BITCOIN_RPC_USER": "me", "BITCOIN_RPC_PASSWORD": "hunter2"},
            "node_unauthorised",
        ),
        ({"BITCOIN_NETWORK": "main"}, "wrong_network"),
    ],
)
def test_a_node_that_cannot_be_asked_leaves_a_row_and_exit_code_2(
    environ: dict[str, str], database: Database, changed: dict[str, str], reason: str
) -> None:
    code, lines = outcome(environ | changed)
    row = newest(database)
    assert row is not None
    assert (code, row.invalid_reason) == (2, reason)
    assert "hunter2" not in json.dumps(lines)


def test_unusable_settings_end_with_78_and_every_problem(environ: dict[str, str], database: Database) -> None:
    bad = environ | {"API_PORT": "80", "JWT_SECRET_KEY": "short"}
    process = integration(bad)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 78
    assert "API_PORT" in errors
    assert "JWT_SECRET_KEY" in errors
    assert newest(database) is None


def test_overlapping_runs_are_impossible(environ: dict[str, str], database: Database) -> None:
    with only_run(Path(environ["STATE_DIRECTORY"]) / "integration.lock"):
        code, lines = outcome(environ)
    assert (code, newest(database)) == (2, None)
    assert "another run is under way" in str(lines[-1]["reason"])
    assert outcome(environ)[0] == 0


def test_a_database_without_tables_fails_the_run_with_what_to_do(environ: dict[str, str], database: Database) -> None:
    migration.downgrade(database, "base")
    code, lines = outcome(environ)
    assert code == 2
    assert "utxoracle db check" in str(lines[-1]["reason"])


def test_a_run_killed_at_any_moment_leaves_whole_rows_and_no_lock(environ: dict[str, str], database: Database) -> None:
    for milliseconds in range(50, 1_050, 100):
        process = integration(environ)
        try:
            process.wait(milliseconds / 1_000)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert outcome(environ)[0] == 0
    row = newest(database)
    assert row is not None
    assert row.invalid_reason == "not_enough_data"

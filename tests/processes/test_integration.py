"""The integration process, as systemd starts it, against a real bitcoind and a real database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.database import migration
from app.adapters.database.engine import Database
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.run_lock import only_run
from app.domain.price.comparison import PriceComparison
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


def integration(environ: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "app.processes.integration"], env=environ, stderr=subprocess.PIPE, text=True
    )


def outcome(environ: dict[str, str]) -> tuple[int, list[dict[str, object]]]:
    process = integration(environ)
    _, errors = process.communicate(timeout=60)
    return process.returncode, [json.loads(line) for line in errors.splitlines()]


def newest(database: Database) -> PriceComparison | None:
    return DatabasePriceHistory(database, lambda: None).newest()


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

"""The integration in a network of its own: without the operator's word nothing leaves, whatever fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.adapters.database.engine import open_database
from app.adapters.database.migration import upgrade

# As root, or as the root of a namespace of one's own.
WAYS = (["unshare", "--net"], ["unshare", "--map-root-user", "--net"])


@pytest.fixture(scope="module")
def in_own_network() -> list[str]:
    """The words before a command that is to run in a network of its own."""
    refusals = []
    for way in WAYS:
        done = subprocess.run([*way, "true"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return way
        refusals.append(done.stderr.strip())
    pytest.skip(f"this machine gives nobody here a network of their own: {'; '.join(refusals)}")


def ran(in_own_network: list[str], directory: Path, *, bitcoind: bool, others: bool, **settings: str) -> dict[str, Any]:
    database_url = f"sqlite:///{directory / 'utxoracle.db'}"
    database = open_database(database_url, create=True)
    upgrade(database)
    database.close()
    environ = {
        "PATH": os.environ["PATH"],
        "UTXORACLE_ENV_FILE": "/dev/null",
        "STATE_DIRECTORY": str(directory),
        "RUNTIME_DIRECTORY": str(directory),
        "JWT_SECRET_KEY": "s" * 32,
        "DATABASE_URL": database_url,
        "EXCHANGE_COMPARISON_ENABLED": "false",
        # A name server that cannot be reached is not waited for.
        "RES_OPTIONS": "timeout:1 attempts:1",
    }
    scenario = {"bitcoind": bitcoind, "others": others, "environ": environ | settings}
    done = subprocess.run(
        [*in_own_network, sys.executable, "-m", "tests.fakes.own_network", json.dumps(scenario)],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["lost"] == 0
    assert result["log"][-1]["event"] == "price compared", result["log"]
    return result


def failed(result: dict[str, Any]) -> list[str]:
    return [line["source"] for line in result["log"] if line["event"] == "a source of blocks failed"]


OWN = ["bitcoind-rest", "bitcoind-rpc", "electrs", "mempool"]


def test_a_run_that_succeeds_sends_nothing_beyond_the_host(in_own_network: list[str], tmp_path: Path) -> None:
    result = ran(in_own_network, tmp_path, bitcoind=True, others=True)
    assert (result["code"], result["log"][-1]["block_source"]) == (0, "bitcoind-rest")
    assert result["beyond"] == []


@pytest.mark.parametrize("others", [False, True], ids=["all are dead", "the others lag"])
def test_a_run_that_tries_every_source_sends_nothing_beyond_the_host(
    in_own_network: list[str], tmp_path: Path, *, others: bool
) -> None:
    result = ran(in_own_network, tmp_path, bitcoind=False, others=others, PUBLIC_FALLBACK_ENABLED="false")
    assert (result["code"], failed(result)) == (2, OWN)
    assert result["beyond"] == []


def test_what_would_leave_is_seen(in_own_network: list[str], tmp_path: Path) -> None:
    result = ran(in_own_network, tmp_path, bitcoind=False, others=False, PUBLIC_FALLBACK_ENABLED="true")
    assert failed(result) == [*OWN, "public:mempool.space", "public:blockstream.info"]
    assert result["beyond"] != []


def test_with_the_fallback_allowed_a_node_that_answers_is_enough(in_own_network: list[str], tmp_path: Path) -> None:
    result = ran(in_own_network, tmp_path, bitcoind=True, others=False, PUBLIC_FALLBACK_ENABLED="true")
    assert (result["code"], failed(result), result["beyond"]) == (0, [], [])

"""`utxoracle estimate`, as an operator runs it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.bitcoin_node import FakeNode, running
from tests.fakes.published import CASES, COMMITTED, chain

COMMAND = Path(sys.executable).parent / "utxoracle"
CASE = CASES[COMMITTED]


@pytest.fixture(scope="module")
def node() -> Iterator[FakeNode]:
    with running(chain(COMMITTED)) as served:
        yield served


@pytest.fixture(scope="module", autouse=True)
def empty_settings_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("settings") / ".env"
    file.write_text("")
    return file


def environment(file: Path, **settings: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "UTXORACLE_ENV_FILE": str(file), **settings}


def run(arguments: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "estimate", *arguments.split()], env=environ, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("served_by", ["bitcoind-rest", "bitcoind-rpc"])
@pytest.mark.parametrize("name", CASES)
def test_a_day_has_the_published_figures_to_the_last_bit(name: str, served_by: str, empty_settings_file: Path) -> None:
    with running(chain(name)) as node:
        node.rest = served_by == "bitcoind-rest"
        done = run(f"--day {CASES[name]['day']} --json", environment(empty_settings_file, BITCOIN_RPC_URL=node.url))
    assert (done.returncode, done.stderr) == (0, "")
    found, expected = json.loads(done.stdout), CASES[name]["method"]
    assert found["price"] == expected["central_price"]
    assert found["rough_price"] == expected["rough_price_estimate"]
    assert (found["first_height"], found["last_height"]) == (expected["first_height"], expected["last_height"])
    assert (found["n_blocks"], found["n_outputs"]) == (expected["n_blocks"], expected["n_raw_outputs"])
    assert found["n_points"] == expected["n_points"]
    assert found["block_source"] == served_by


def test_the_figures_can_also_be_read_by_people(node: FakeNode, empty_settings_file: Path) -> None:
    done = run(f"--day {CASE['day']}", environment(empty_settings_file, BITCOIN_RPC_URL=node.url))
    lines = dict(line.split() for line in done.stdout.splitlines())
    assert float(lines["price"]) == CASE["method"]["central_price"]
    assert lines["rough_price"] == "87568"


def test_the_newest_blocks_are_those_of_the_settings(node: FakeNode, empty_settings_file: Path) -> None:
    environ = environment(
        empty_settings_file, BITCOIN_RPC_URL=node.url, ONCHAIN_WINDOW_BLOCKS="130", ONCHAIN_MIN_CONFIRMATIONS="15"
    )
    found = json.loads(run("--recent --json", environ).stdout)
    assert (found["first_height"], found["last_height"]) == (848_000, 848_129)
    assert found["price"] == CASE["method"]["central_price"]


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        ("--day 2024-06-16", {}, "2024-06-16 is not over yet"),
        ("--day 2999-01-01", {}, "2999-01-01 is not over yet"),
        ("--day 2009-01-01", {}, "no block of 2009-01-01"),
        ("--day 2024-13-01", {}, "does not match the format"),
        ("--day yesterday", {}, "does not match the format"),
        ("", {}, "either --recent or --day"),
        ("--recent --day 2024-06-15", {}, "either --recent or --day"),
        ("--recent", {"ONCHAIN_WINDOW_BLOCKS": "204"}, "does not know the block"),
        ("--recent", {"BITCOIN_NETWORK": "signet"}, "the node is on main and BITCOIN_NETWORK says signet"),
        ("--recent", {"BITCOIN_RPC_URL": "http://127.0.0.1:9"}, "cannot be reached; is it running"),
    ],
)
def test_a_failure_is_one_sentence_and_exit_code_2(
    node: FakeNode, empty_settings_file: Path, arguments: str, settings: dict[str, str], sentence: str
) -> None:
    done = run(arguments, environment(empty_settings_file, **{"BITCOIN_RPC_URL": node.url} | settings))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_settings_are_all_named_with_exit_code_78(empty_settings_file: Path) -> None:
    done = run("--recent", environment(empty_settings_file, BITCOIN_NETWORK="moon", BITCOIN_RPC_URL="nowhere"))
    assert done.returncode == 78
    assert "BITCOIN_NETWORK is 'moon'" in done.stderr
    assert "BITCOIN_RPC_URL is not" in done.stderr
    assert "JWT_SECRET_KEY" not in done.stderr


def test_on_a_terminal_progress_is_shown_and_wiped_away(node: FakeNode, empty_settings_file: Path) -> None:
    screen, terminal = pty.openpty()
    done = subprocess.run(
        [COMMAND, "estimate", "--day", CASE["day"]],
        env=environment(empty_settings_file, BITCOIN_RPC_URL=node.url),
        stdout=subprocess.PIPE,
        stderr=terminal,
        check=True,
        timeout=60,
    )
    os.close(terminal)
    shown = os.read(screen, 1 << 16).decode()
    os.close(screen)
    assert "block 1 of 130" in shown
    assert shown.endswith("\r\x1b[K")
    assert b"block 1 of" not in done.stdout

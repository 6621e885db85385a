"""`utxoracle estimate`, as an operator runs it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.adapters.block_sources import Upstreams, tiered_blocks
from app.config.load import load_or_exit
from app.domain.price.comparison import PriceComparison
from app.services.judgement import Limits, judged
from app.services.onchain_price import OnchainPrice, estimate_day, estimate_recent
from tests.fakes.bitcoin_node import FakeNode, running
from tests.fakes.published import CASES, COMMITTED, chain

COMMAND = Path(sys.executable).parent / "utxoracle"
CASE = CASES[COMMITTED]
# Its payments are enough for a price of ours that is valid, and at the end of a shorter window not quite sure.
ENOUGH = "small-140-27000"
SHORT = {"ONCHAIN_WINDOW_BLOCKS": "120"}


@pytest.fixture(scope="module")
def node() -> Iterator[FakeNode]:
    with running(chain(COMMITTED)) as served:
        yield served


@pytest.fixture(scope="module")
def node_with_enough() -> Iterator[FakeNode]:
    with running(chain(ENOUGH)) as served:
        yield served


@pytest.fixture(scope="module", autouse=True)
def empty_settings_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("settings") / ".env"
    file.write_text("")
    return file


@pytest.fixture(scope="module")
def services(node_with_enough: FakeNode, tmp_path_factory: pytest.TempPathFactory) -> dict[str, OnchainPrice]:
    """What the services say of the newest blocks, and of the day."""
    settings = load_or_exit({"BITCOIN_RPC_URL": node_with_enough.url}, without={"JWT_SECRET_KEY"})
    source = tiered_blocks(Upstreams.among(settings), tmp_path_factory.mktemp("state"), partial(datetime.now, UTC))
    day = CASES[ENOUGH]["day"]
    return {
        "--recent": estimate_recent(source, "main", window_blocks=int(SHORT["ONCHAIN_WINDOW_BLOCKS"])),
        f"--day {day}": estimate_day(source, "main", date.fromisoformat(day)),
    }


def environment(file: Path, **settings: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "UTXORACLE_ENV_FILE": str(file), **settings}


def said(arguments: str, file: Path, node: FakeNode, **settings: str) -> dict[str, Any]:
    done = run(f"{arguments} --json", environment(file, BITCOIN_RPC_URL=node.url, **settings))
    assert (done.returncode, done.stderr) == (0, "")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def a_row_says(price: OnchainPrice, **limits: float) -> tuple[bool, str | None, float | None]:
    changed = {"min_price_usd": 1_000, "max_price_usd": 10_000_000, "min_confidence": 0.3} | limits
    row = judged(
        PriceComparison(timestamp=datetime.now(UTC)), price, Limits(max_quote_age=timedelta(0), **changed), before=None
    )
    return row.is_valid, row.invalid_reason, row.confidence


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


@pytest.mark.parametrize("when", ["--recent", f"--day {CASES[ENOUGH]['day']}"])
def test_by_default_and_when_asked_for_the_figures_are_the_published_ones(
    node_with_enough: FakeNode, services: dict[str, OnchainPrice], empty_settings_file: Path, when: str
) -> None:
    published = services[when].published
    assert published is not None
    found = said(f"{when} --method published", empty_settings_file, node_with_enough, **SHORT)
    assert found["method"] == "published"
    assert {name: found[name] for name in asdict(published)} == asdict(published)
    assert found == said(when, empty_settings_file, node_with_enough, **SHORT)
    assert "is_valid" not in found


def test_ours_is_the_price_of_the_newest_block(
    node_with_enough: FakeNode, services: dict[str, OnchainPrice], empty_settings_file: Path
) -> None:
    price = services["--recent"]
    found = said("--recent --method ours", empty_settings_file, node_with_enough, **SHORT)
    assert found["method"] == "ours"
    assert (found["first_height"], found["last_height"]) == (price.first_height, price.last_height)
    own = {name: figure for name, figure in asdict(price.own).items() if name in found}
    assert {"price", "band_low", "band_high", "confidence", "window_price", "rival_factor", "roundness"} <= set(own)
    assert {name: found[name] for name in own} == own
    assert price.published is not None
    assert found["published_price"] == price.published.price
    assert (found["is_valid"], found["invalid_reason"]) == (True, None)
    # Were they the same, the price of a day would not be told from it.
    assert abs(found["window_price"] / found["price"] - 1) > 0.001


def test_ours_of_a_day_is_its_mean_with_a_band_around_it(
    node_with_enough: FakeNode, services: dict[str, OnchainPrice], empty_settings_file: Path
) -> None:
    when = f"--day {CASES[ENOUGH]['day']}"
    own, published = services[when].own, services[when].published
    found = said(f"{when} --method ours", empty_settings_file, node_with_enough)
    assert found["price"] == found["window_price"] == own.window_price != own.price
    assert found["band_low"] / found["price"] == pytest.approx(own.band_low / own.price, rel=1e-12)
    assert found["band_high"] / found["price"] == pytest.approx(own.band_high / own.price, rel=1e-12)
    assert found["confidence"] == own.confidence
    assert published is not None
    assert found["published_price"] == published.price == CASES[ENOUGH]["method"]["central_price"]
    assert (found["is_valid"], found["invalid_reason"]) == (True, None)


@pytest.mark.parametrize(
    ("setting", "limit", "figure", "reason"),
    [
        ("MIN_PRICE_USD", "min_price_usd", "50000", "below_min_price"),
        ("MAX_PRICE_USD", "max_price_usd", "5000", "above_max_price"),
        ("CONFIDENCE_THRESHOLD", "min_confidence", "1", "low_confidence"),
        ("MIN_PRICE_USD", "min_price_usd", "5000", None),
    ],
)
def test_ours_is_as_valid_as_a_row_would_be(  # noqa: PLR0913, PLR0917 - what is asked, of whom, and the answer
    node_with_enough: FakeNode,
    services: dict[str, OnchainPrice],
    empty_settings_file: Path,
    setting: str,
    limit: str,
    figure: str,
    reason: str | None,
) -> None:
    found = said("--recent --method ours", empty_settings_file, node_with_enough, **SHORT | {setting: figure})
    assert (found["is_valid"], found["invalid_reason"]) == (reason is None, reason)
    judgement = (found["is_valid"], found["invalid_reason"], found["confidence"])
    assert judgement == a_row_says(services["--recent"], **{limit: float(figure)})


def test_ours_of_a_day_is_judged_as_it_is_printed(
    node_with_enough: FakeNode, services: dict[str, OnchainPrice], empty_settings_file: Path
) -> None:
    when = f"--day {CASES[ENOUGH]['day']}"
    own = services[when].own
    # The end of the day would be beyond it.
    between, limit = (own.price + own.window_price) / 2, "MIN" if own.price < own.window_price else "MAX"
    settings = {"BITCOIN_RPC_URL": node_with_enough.url, f"{limit}_PRICE_USD": str(between)}
    done = run(f"{when} --method ours", environment(empty_settings_file, **settings))
    lines = dict(line.split() for line in done.stdout.splitlines())
    assert float(lines["price"]) == own.window_price
    assert lines["is_valid"] == "True"


def test_what_the_estimate_itself_objects_to_comes_first(node: FakeNode, empty_settings_file: Path) -> None:
    found = said("--recent --method ours", empty_settings_file, node, MIN_PRICE_USD="500000", **SHORT)
    assert (found["confidence"], found["is_valid"], found["invalid_reason"]) == (0.0, False, "too_few_points")


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

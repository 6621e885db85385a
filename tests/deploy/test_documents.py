"""The operators' documents say what the code says: its checks, reasons, variables, commands and files."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import click
import pytest
import yaml
from click.testing import CliRunner

import app.adapters.bitcoind_rpc
import app.services.onchain_price
import app.services.window_reader  # noqa: F401 - like the others, for the errors that it declares
from app.cli import main
from app.services.block_source import OnchainPriceError
from app.services.health_checks import CRITICAL, HealthChecks
from tests.deploy.program import CHECKOUT, ROLES, program
from tests.node.bitcoind import free_port

README, DEPLOYMENT = CHECKOUT / "README.md", CHECKOUT / "docs/DEPLOYMENT.md"
TROUBLESHOOTING = CHECKOUT / "docs/TROUBLESHOOTING.md"
FOR_OPERATORS = [README, DEPLOYMENT, TROUBLESHOOTING]
DOCUMENTS = [README, *sorted((CHECKOUT / "docs").rglob("*.md"))]

VARIABLES = program("preflight/filter_plugins/preflight.py").known_variables(str(ROLES))
PREFIXES = "|".join(sorted(role.name for role in ROLES.iterdir() if role.is_dir()))


def _id(document: Path) -> str:
    return str(document.relative_to(CHECKOUT))


def _text(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def _code(document: Path) -> list[str]:
    """Return each line of code in `document`: of its blocks, and what stands in backticks."""
    text = _text(document)
    fence = re.compile(r"^ *```.*?\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
    blocks = [line for block in fence.findall(text) for line in block.splitlines()]
    return [*blocks, *re.findall(r"`([^`\n]+)`", fence.sub("", text))]


def _first_cells(heading: str) -> list[str]:
    """Return what stands in backticks in the first cell of each row below `heading` in TROUBLESHOOTING."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", _text(TROUBLESHOOTING), re.DOTALL | re.MULTILINE)
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


# What there is


def _names(checks: list[dict[str, Any]]) -> list[str]:
    return [check["name"] for check in checks]


@pytest.fixture
def verify_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of every check, from reports on a host where nothing is as it should be."""
    units, access = program("verify/files/units.py"), program("verify/files/access.py")
    application = program("verify/files/application.py")
    monkeypatch.setattr(units, "run", lambda *command: subprocess.CompletedProcess(command, 1, "", ""))
    of_units = {
        "home": str(tmp_path),
        "services": ["<unit>"],
        "jobs": [],
        "timers": ["<timer>"],
        "sandbox_lines": [],
        "exposure_max": 1.5,
    }
    gone = str(tmp_path / "gone")
    of_access = {
        "env_file": gone,
        "secrets_dir": gone,
        "other_secrets": [],
        "state_dir": gone,
        "database_file": "",
        "user": "root",
        "proxy_enabled": True,
        "proxy_address": "127.0.0.1",
        "proxy_port": free_port(),
        "proxy_tls": False,
    }
    return [
        *_names(_of_the_command(tmp_path)),
        *_names(application.application(gone)),
        *_names(units.every_check(of_units)),
        *_names(access.every_check(of_access)),
    ]


def _of_the_command(directory: Path) -> list[dict[str, Any]]:
    """Return what `utxoracle verify` reports where neither database, nor services, nor node are there."""
    settings = {
        "UTXORACLE_USER": None,
        "UTXORACLE_ENV_FILE": "/dev/null",
        "JWT_SECRET_KEY": "s" * 32,
        "DATABASE_PATH": str(directory / "gone.db"),
        "API_PORT": str(free_port()),
        "WEBSOCKET_PORT": str(free_port()),
        "BITCOIN_RPC_URL": f"http://127.0.0.1:{free_port()}",
    }
    done = CliRunner().invoke(main, ["verify", "--json"], env=settings)
    checks: list[dict[str, Any]] = json.loads(done.stdout)["checks"]
    return checks


def _health_checks() -> set[str]:
    parts: dict[str, Any] = {each.name: Mock() for each in fields(HealthChecks)}
    return set(HealthChecks(**parts).all())


def _reasons() -> set[str]:
    """Return every `invalid_reason` that a row may have."""
    makers = ("backfill", "comparison", "judgement", "price_lines")
    modules = [f"app/services/{each}.py" for each in makers] + ["app/domain/price/trusted_price.py"]
    source = "".join(_text(CHECKOUT / each) for each in modules)
    ours = re.findall(r'(?:invalid_reason=|return )"(\w+)"', source)
    return {*ours, *(error.code for error in _below(OnchainPriceError))}


def _below(error: type[OnchainPriceError]) -> list[type[OnchainPriceError]]:
    return [each for child in error.__subclasses__() for each in (child, *_below(child))]


# What the documents say of it


def test_troubleshooting_has_a_row_for_every_check_of_verify_and_for_no_other(verify_checks: list[str]) -> None:
    assert len(verify_checks) >= 20
    assert sorted(_first_cells("What verify checks")) == sorted(verify_checks)


def test_troubleshooting_has_a_row_for_every_check_of_health_and_for_no_other() -> None:
    names = _first_cells("What health checks")
    assert sorted(names) == sorted(_health_checks())
    critical = re.findall(r"^\| `(\w+)` \| yes \|", _text(TROUBLESHOOTING), re.MULTILINE)
    assert set(critical) == CRITICAL


def test_troubleshooting_has_every_reason_why_a_row_is_not_valid_and_no_other() -> None:
    assert {"not_enough_data", "too_few_points", "node_unreachable"} <= _reasons()
    assert sorted(_first_cells("Why a row is not valid")) == sorted(_reasons())


@pytest.mark.parametrize("document", FOR_OPERATORS, ids=_id)
def test_every_variable_that_operators_read_of_is_one_of_a_role(document: Path, verify_checks: list[str]) -> None:
    named = {name for line in _code(document) for name in re.findall(rf"\b(?:{PREFIXES})_[a-z0-9_]+\b", line)}
    assert named
    assert named - VARIABLES - {*verify_checks} - _reasons() == set()


def test_the_block_for_bitcoin_conf_is_the_one_that_the_role_node_adds() -> None:
    conf = program("node/files/bitcoin_conf.py")
    defaults, internal = (yaml.safe_load(_text(ROLES / "node" / name / "main.yml")) for name in ("defaults", "vars"))
    options = {
        name: re.sub(r"{{ (\w+) }}", lambda found: str(defaults[found[1]]), value)
        for name, value in internal["__node_options"].items()
    }
    wanted = conf.Wanted("main", options, defaults["node_rpc_user"], "a password", tuple(internal["__node_rpc_calls"]))
    added = re.sub(r"(rpcauth=\w+:).*", r"\1<salt>$<hash>", conf.plan("", wanted).text)
    assert added in _text(DEPLOYMENT)


@pytest.mark.parametrize("document", DOCUMENTS, ids=_id)
def test_every_link_within_the_checkout_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _text(document)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = target.partition("#")
        file = (document.parent / name).resolve() if name else document
        assert file.exists(), target
        assert not heading or heading in _headings(file), target


def _headings(document: Path) -> list[str]:
    """Return the anchors that a forge makes of the headings."""
    titles = re.findall(r"^#+ (.*)$", _text(document), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("document", DOCUMENTS, ids=_id)
def test_every_command_of_ours_is_there_with_its_options(document: Path) -> None:
    for line in _code(document):
        if found := re.match(r"(?:sudo )?utxoracle ([^#|<>]+)", line):
            assert _unknown_word(found[1].split()) is None, line


def test_a_command_that_is_not_there_would_be_noticed() -> None:
    assert _unknown_word(["doctor"]) == "doctor"
    assert _unknown_word(["users", "remove", "NAME"]) == "remove"
    assert _unknown_word(["users", "create", "NAME", "--admin"]) == "--admin"
    assert _unknown_word(["users", "create", "NAME", "--role", "admin"]) is None


def _unknown_word(words: list[str]) -> str | None:
    """Return the first of `words` that is neither a command, nor an option of it, nor could be an argument."""
    command: click.Command = main
    for word in words:
        if word.startswith("-"):
            if not any(word in parameter.opts for parameter in command.params):
                return word
        elif isinstance(command, click.Group):
            if word not in command.commands:
                return word
            command = command.commands[word]
    return None


def test_readme_is_short() -> None:
    assert len(_text(README).splitlines()) <= 150

"""What the acceptance test's programs say on hosts that are not as they should be; tests/e2e has the whole of it."""

from __future__ import annotations

import http.client
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.deploy.program import program
from tests.node.bitcoind import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

application = program("verify/files/application.py")
access = program("verify/files/access.py")
units = program("verify/files/units.py")


def _command(directory: Path, script: str) -> str:
    file = directory / "utxoracle"
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo Traceback: the rest >&2; exit 1", "left with 1: Traceback: the rest"),
        ("echo no JSON; exit 2", "left with 2: no JSON"),
        ("""echo '"JSON of another kind"'""", "left with 0"),
    ],
)
def test_a_command_that_breaks_is_a_failed_check(tmp_path: Path, script: str, told: str) -> None:
    (check,) = application.application(_command(tmp_path, script))
    assert check["name"] == "application"
    assert not check["ok"]
    assert told in check["message"]


def test_a_command_that_is_missing_is_a_failed_check(tmp_path: Path) -> None:
    (check,) = application.application(str(tmp_path / "gone"))
    assert "does not start" in check["message"]


def test_every_failure_is_one_line_with_the_name_of_its_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        {"name": "schema", "ok": False, "status": "failed", "message": "is old; deploy again"},
        {"name": "health", "ok": True, "status": "warning", "message": "mempool is away"},
        {"name": "websocket", "ok": False, "status": "failed", "message": "is silent; restart it"},
        {"name": "database", "ok": True, "status": "ok", "message": "can be read"},
    ]
    command = _command(tmp_path, f"cat <<'E'\n{json.dumps({'checks': found})}\nE\nexit 2")
    application.main(json.dumps({"command": command, "may_start": True, "integration": "", "patience_seconds": 0}))
    answer = json.loads(capsys.readouterr().out)
    assert answer["failures"] == [
        "verify: schema: is old; deploy again",
        "verify: websocket: is silent; restart it",
    ]
    assert answer["remarks"] == ["health: mempool is away"]
    assert answer["count"] == 4
    assert not answer["started"]


def test_a_check_that_heals_within_the_patience_is_not_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ok, failed = (
        json.dumps({"checks": [{"name": "health", "ok": ok, "status": "", "message": ""}]}) for ok in (True, False)
    )
    script = f"if [ -e {tmp_path}/healed ]; then echo '{ok}'; else touch {tmp_path}/healed; echo '{failed}'; fi"
    command = _command(tmp_path, script)
    application.main(json.dumps({"command": command, "may_start": True, "integration": "", "patience_seconds": 30}))
    assert json.loads(capsys.readouterr().out)["failures"] == []


def test_only_a_link_to_a_whole_release_is_accepted(tmp_path: Path) -> None:
    assert "is not a link" in units.release(tmp_path)["message"]
    (tmp_path / "current").symlink_to(tmp_path / "releases/1.0")
    assert "is no whole release" in units.release(tmp_path)["message"]
    python = tmp_path / "releases/1.0/venv/bin/python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert units.release(tmp_path)["ok"]


def test_a_service_is_older_than_a_link_that_was_made_after_it_started(tmp_path: Path) -> None:
    link = tmp_path / "current"
    assert not units.is_older("0", link)
    link.symlink_to("release")
    now = time.monotonic()
    assert not units.is_older(str(int((now + 1) * 1e6)), link)
    assert units.is_older(str(int((now - 60) * 1e6)), link)


@pytest.mark.parametrize(
    ("realtime", "monotonic", "expected"),
    [("Tue 2026-11-24 09:00:00 UTC", "infinity", True), ("", "0", False), ("0", "5min", True), ("", "infinity", False)],
)
def test_a_timer_is_set_when_either_clock_has_a_next_run(realtime: str, monotonic: str, *, expected: bool) -> None:
    assert units.is_set({"NextElapseUSecRealtime": realtime, "NextElapseUSecMonotonic": monotonic}) is expected


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that the user nobody can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try to read a file as somebody else")
def test_a_strangers_attempt_to_read_is_really_made(open_directory: Path) -> None:
    secret = open_directory / "secret"
    secret.write_text("secret", encoding="utf-8")
    secret.chmod(0o600)
    assert access.private(secret, "root") == ""
    secret.chmod(0o604)
    assert "the user nobody could read" in access.private(secret, "root")
    secret.chmod(0o620)
    told = access.private(secret, "root")
    assert "has mode 0620" in told
    assert "nobody could read" not in told
    assert "has mode 0600 and owner 0" in access.private(_closed(secret), "nobody")
    assert "is missing; deploy again" in access.private(open_directory / "gone", "root")


def _closed(file: Path) -> Path:
    file.chmod(0o600)
    return file


def test_a_proxy_that_is_away_fails_both_of_its_checks() -> None:
    asked = {"proxy_address": "127.0.0.1", "proxy_port": free_port(), "proxy_tls": True}
    page, handshake = access.proxy_page(asked), access.proxy_websocket(asked)
    assert "serves no page" in page["message"]
    assert "no handshake" in handshake["message"]
    assert isinstance(access.connect({**asked, "proxy_tls": False}), http.client.HTTPConnection)

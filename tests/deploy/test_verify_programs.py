"""What the acceptance test's programs say on hosts that are not as they should be; tests/e2e has the whole of it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from app.web import stream
from tests.deploy.program import CHECKOUT, ROLES, program
from tests.fakes.http_serving import serving
from tests.node.bitcoind import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

application = program("verify/files/application.py")
access = program("verify/files/access.py")
units = program("verify/files/units.py")
report = program("verify/filter_plugins/verify.py").report


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


@pytest.mark.parametrize(("watchdog", "is_watched"), [("1min", True), ("0", False), ("infinity", False)])
def test_a_service_that_hangs_must_be_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, watchdog: str, *, is_watched: bool
) -> None:
    said = (
        "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nNeedDaemonReload=no\n"
        f"ExecMainStartTimestampMonotonic=1\nWatchdogUSec={watchdog}\n"
    )
    monkeypatch.setattr(units, "run", lambda *command: subprocess.CompletedProcess(command, 0, said, ""))
    check = units.service("a.service", tmp_path)
    assert check["ok"] is is_watched
    assert ("has no watchdog" in check["message"]) is not is_watched


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


class _Upgrades(BaseHTTPRequestHandler):
    """Shakes hands as a WebSocket at some paths, and shows a page at the others."""

    paths: tuple[str, ...] = ()

    def do_GET(self) -> None:
        if self.path in self.paths and self.headers["Upgrade"] == "websocket":
            key = self.headers["Sec-WebSocket-Key"] + access.WEBSOCKET_GUID
            self.send_response(HTTPStatus.SWITCHING_PROTOCOLS)
            accept = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest()).decode()
            self.send_header("Sec-WebSocket-Accept", accept)
        else:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (("/ws/whales", "/"), ""),
        (("/ws/whales",), "the handshake at / on port {port} got 200; see nginx's error log and the journal"),
        (("/",), "the handshake at /ws/whales on port {port} got 200; see nginx's error log and the journal"),
    ],
)
def test_a_proxy_that_turns_away_clients_of_the_earlier_system_at_the_root_is_told(
    monkeypatch: pytest.MonkeyPatch, paths: tuple[str, ...], told: str
) -> None:
    monkeypatch.setattr(_Upgrades, "paths", paths)
    with _serving(_Upgrades) as port:
        asked = {"proxy_address": "127.0.0.1", "proxy_port": port, "proxy_tls": False}
        assert access.proxy_websocket(asked)["message"] == told.format(port=port)


def test_the_paths_of_the_handshakes_are_those_of_the_stream() -> None:
    assert access.WEBSOCKET_PATHS == stream.PATHS


def test_a_program_that_breaks_is_one_failure_among_those_that_the_others_found() -> None:
    broken = {"item": "access", "rc": 1, "stdout": "", "stderr": "Traceback:\n  File\nKeyError: 'x'\n"}
    assert report(broken)["failures"] == ["verify: access: could not run: Traceback: / File / KeyError: 'x'"]
    assert report({"item": "units", "rc": 0, "stdout": "no JSON", "stderr": ""})["failures"] == [
        "verify: units: could not run: it says nothing"
    ]
    assert report({"item": "units", "msg": "MODULE FAILURE", "module_stderr": "no python3"})["failures"] == [
        "verify: units: could not run: no python3"
    ]
    assert report({"item": "units", "msg": "MODULE FAILURE"})["failures"] == [
        "verify: units: could not run: MODULE FAILURE"
    ]
    sound = {"item": "units", "rc": 0, "stdout": json.dumps({"failures": ["verify: a: b"], "count": 3})}
    assert report(sound) == {"failures": ["verify: a: b"], "remarks": [], "count": 3, "started": False}


def test_the_task_goes_on_when_a_program_breaks() -> None:
    (task, *_) = yaml.safe_load((ROLES / "verify/tasks/main.yml").read_text(encoding="utf-8"))
    assert task["failed_when"] is False


def _state(directory: Path, **others: str) -> str:
    asked = {"state_dir": str(directory), "user": "root", "database_file": str(directory / "utxoracle.db"), **others}
    message: str = access.state_directory(asked)["message"]
    return message


def test_a_user_or_a_directory_or_a_database_that_is_missing_is_told(tmp_path: Path) -> None:
    assert "there is no user nobody-of-that-name" in _state(tmp_path, user="nobody-of-that-name")
    assert "gone is missing" in _state(tmp_path / "gone")
    assert "utxoracle.db is missing" in _state(tmp_path)
    assert _state(tmp_path, database_file="") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try to read a file as somebody else")
def test_the_database_is_looked_at_where_the_settings_put_it(open_directory: Path, tmp_path: Path) -> None:
    elsewhere = open_directory / "prices.sqlite"
    elsewhere.touch(mode=0o600)
    assert _state(tmp_path, database_file=str(elsewhere)) == ""
    journal = open_directory / "prices.sqlite-wal"
    journal.touch(mode=0o644)
    assert f"could read {journal}; `chmod 700 {open_directory}`" in _state(tmp_path, database_file=str(elsewhere))
    os.chown(elsewhere, 12345, -1)
    assert f"{elsewhere} belongs to 12345" in _state(tmp_path, database_file=str(elsewhere))


@pytest.mark.parametrize(
    ("settings", "file"),
    [
        ({}, "/var/lib/utxoracle/utxoracle.db"),
        ({"settings_database_path": "/srv/a.db"}, "/srv/a.db"),
        ({"settings_database_url": "sqlite:////srv/b%20c.db?timeout=3"}, "/srv/b c.db"),
        ({"settings_database_url": "postgresql://u@h/name", "settings_database_path": ""}, ""),
    ],
)
def test_the_settings_say_which_file_is_the_database(settings: dict[str, str], file: str) -> None:
    command = [f"{Path(sys.executable).parent}/ansible", "localhost", "-i", "localhost,", "-c", "local", "-m", "debug"]
    given = [
        "-e",
        "@roles/verify/vars/main.yml",
        "-e",
        json.dumps(settings),
        "-a",
        "msg=<{{ __verify_database_file }}>",
    ]
    done = subprocess.run([*command, *given], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert f"<{file}>" in done.stdout, done.stdout + done.stderr


def test_what_cannot_be_looked_at_fails_by_its_own_name() -> None:
    def broken() -> None:
        raise OSError("disk away")

    def slow() -> None:
        raise subprocess.TimeoutExpired(("systemctl", "show"), 60)

    for each in (access, units):
        assert "disk away" in each.guarded("secrets", broken)["message"]
    assert units.guarded("unit a", slow)["message"].startswith("`systemctl show` took over 60 s")


class _Systemd:
    """Stands in for systemd: a job that ends its runs as it is told."""

    def __init__(self, *ends: tuple[str, str]) -> None:
        self.ends, self.started = [*ends], 0

    def __call__(self, *command: str, **_: float) -> subprocess.CompletedProcess[str]:
        if command[1] == "start":
            self.started += 1
            self.ends.pop(0)
        result, status = self.ends[0]
        text = f"LoadState=loaded\nResult={result}\nExecMainStatus={status}\nNeedDaemonReload=no\n"
        return subprocess.CompletedProcess(command, 0, text, "")


@pytest.mark.parametrize(
    ("ends", "may_start", "started", "failed", "remarked"),
    [
        ([("exit-code", "2"), ("success", "0")], True, 1, False, False),
        ([("exit-code", "2"), ("exit-code", "2")], True, 1, False, True),
        ([("exit-code", "2"), ("exit-code", "78")], True, 1, True, False),
        ([("exit-code", "2")], False, 0, False, True),
        ([("exit-code", "1")], True, 0, True, False),
        ([("signal", "2")], True, 0, True, False),
        ([("timeout", "15")], True, 0, True, False),
    ],
)
def test_a_past_fault_of_an_upstream_is_tried_again_and_never_a_failure(  # noqa: PLR0913 - two fixtures, a row's cells
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    ends: list[tuple[str, str]],
    started: int,
    *,
    may_start: bool,
    failed: bool,
    remarked: bool,
) -> None:
    systemd = _Systemd(*ends)
    monkeypatch.setattr(units, "run", systemd)
    asked = {
        "home": str(tmp_path),
        "services": [],
        "jobs": ["job.service"],
        "timers": [],
        "patience_seconds": 0,
        "sandbox_lines": [],
        "exposure_max": 1.5,
        "may_start": may_start,
    }
    units.main(json.dumps(asked))
    told = json.loads(capsys.readouterr().out)
    assert systemd.started == started
    assert told["started"] is bool(started)
    assert any(line.startswith("verify: unit job.service: ") for line in told["failures"]) is failed
    assert any(line.startswith("unit job.service: ") for line in told["remarks"]) is remarked


def test_a_drop_in_that_changes_one_line_of_the_sandbox_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = ["ProtectKernelTunables=yes", "ProtectHome=yes", "IPAddressAllow=localhost", "SystemCallFilter=@some"]
    added = ["ProtectHome=read-only", "IPAddressAllow=192.0.2.1", *units.NEEDED]
    (tmp_path / "a.service").write_text("\n".join([*expected, *added]), encoding="utf-8")
    weak, harmless = tmp_path / "weak.conf", tmp_path / "harmless.conf"
    weak.write_text(f"[Service]\nProtectKernelTunables = no\nIPAddressAllow=any\n{units.NEEDED[0]}\n", encoding="utf-8")
    harmless.write_text("[Service]\nNice=5\nProtectHome=yes\n", encoding="utf-8")
    monkeypatch.setattr(units, "SYSTEMD", tmp_path)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        said = f"DropInPaths={drop_ins}\n" if command[0] == "systemctl" else "Overall exposure level for a.service: 1.2"
        return subprocess.CompletedProcess(command, 0, said, "")

    monkeypatch.setattr(units, "run", run)
    drop_ins = f"{harmless}"
    assert units.sandbox("a.service", expected, 1.5)["ok"]
    drop_ins = f"{harmless} {weak}"
    told = units.sandbox("a.service", expected, 1.5)["message"]
    assert told.startswith(f"{weak} sets ProtectKernelTunables = no, IPAddressAllow=any, {units.NEEDED[0]}; remove")
    drop_ins = ""
    with (tmp_path / "a.service").open("a", encoding="utf-8") as file:
        file.write(f"\nProtectKernelTunables=no\n{units.NEEDED[0]} @more\n")
    told = units.sandbox("a.service", expected, 1.5)["message"]
    assert f"sets ProtectKernelTunables=no, {units.NEEDED[0]} @more; deploy again" in told


class _Page(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("ours", [True, False])
def test_only_our_own_page_is_accepted_from_the_proxy(monkeypatch: pytest.MonkeyPatch, *, ours: bool) -> None:
    login = (CHECKOUT / "app/web/templates/login.html").read_text(encoding="utf-8")
    title = login.partition("{% block title %}")[2].partition("{% endblock %}")[0]
    page = f"<title>{title}</title>" if ours else "<title>Welcome to nginx!</title>"
    monkeypatch.setattr(_Page, "body", page.encode())
    with _serving(_Page) as port:
        asked = {"proxy_address": "127.0.0.1", "proxy_port": port, "proxy_tls": False}
        assert access.proxy_page(asked)["ok"] is ours


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with serving(server):
        yield server.server_port

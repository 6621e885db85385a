"""What the role proxy does on a host: a certificate for a server, and nginx brought to the files that are there."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.program import ROLES, program

certificate = program("proxy/files/certificate.py")
reload = program("proxy/files/reload.py")


@pytest.fixture(autouse=True)
def _umask_is_kept() -> Iterator[None]:
    """The programs set the umask of a process of their own."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


def _told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def _make(directory: Path, *, check: bool = False) -> None:
    certificate.main(json.dumps({"directory": str(directory), "names": ["node.example", "192.0.2.7"], "check": check}))


def test_a_certificate_is_made_once_for_a_server_and_is_no_authority(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "tls"
    _make(directory, check=True)
    assert _told(capsys)["made"]
    assert not directory.exists()
    _make(directory)
    assert _told(capsys)["made"]
    assert (directory / "key.pem").stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-text", "-in", directory / "certificate.pem"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for words in ("CA:FALSE", "TLS Web Server Authentication", "DNS:node.example", "IP Address:192.0.2.7"):
        assert words in shown
    assert shown.count("X509v3 Basic Constraints") == 1
    assert "CA:TRUE" not in shown
    assert "Digital Signature\n" in shown
    before = (directory / "certificate.pem").read_bytes()
    _make(directory)
    assert not _told(capsys)["made"]
    assert (directory / "certificate.pem").read_bytes() == before


def test_a_certificate_that_openssl_cannot_make_leaves_nothing_and_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"directory": str(tmp_path / "tls"), "names": ["no\nname"], "check": False}
    with pytest.raises(SystemExit):
        certificate.main(json.dumps(asked))
    assert "openssl cannot make a certificate" in capsys.readouterr().err
    assert not (tmp_path / "tls").exists()


def _worker(proc: Path, number: int, parent: int, title: str, seconds_ago: float) -> None:
    ticks = int((time.clock_gettime(time.CLOCK_BOOTTIME) - seconds_ago) * os.sysconf("SC_CLK_TCK"))
    (proc / str(number)).mkdir()
    (proc / str(number) / "cmdline").write_bytes(title.encode() + b"\0\0")
    stat = f"{number} (ngi) nx) S {parent} {' 0' * 17} {ticks} 0 0"
    (proc / str(number) / "stat").write_text(stat, encoding="utf-8")


def test_nginx_has_read_its_files_when_its_oldest_worker_started(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    assert reload.last_read(7, tmp_path) is None
    _worker(tmp_path, 7, 1, "nginx: master process /usr/sbin/nginx", 500)
    _worker(tmp_path, 8, 7, "nginx: worker process", 100)
    # One that came after a crash, one that serves what is left, one of somebody's container.
    _worker(tmp_path, 9, 7, "nginx: worker process", 10)
    _worker(tmp_path, 10, 7, "nginx: worker process is shutting down", 400)
    _worker(tmp_path, 11, 99, "nginx: worker process", 300)
    assert reload.last_read(7, tmp_path) == pytest.approx(time.time() - 100, abs=2)


def test_the_start_of_a_process_is_told_as_the_kernel_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "WORKER", b"sleep\x0060")
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            proc = Path("/proc") / str(process.pid)
            end = time.monotonic() + 10
            while not (found := reload.worker_start(proc, os.getpid())):
                assert time.monotonic() < end
            assert found == pytest.approx(time.time(), abs=5)
            assert reload.worker_start(proc, 1) is None
        finally:
            process.kill()


class _Nginx:
    """Stands in for nginx and systemd: workers that are as old as told, and new ones after a reload."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, last_read: float | None, *, is_wrong: bool = False) -> None:
        self.last_read, self.is_wrong, self.commands = last_read, is_wrong, [("", "")]
        monkeypatch.setattr(reload, "run", self.run)
        monkeypatch.setattr(reload, "last_read", lambda _: self.last_read)

    def run(self, *command: str) -> str:
        if command[1] == "show":
            return "7\n"
        self.commands.append((command[0], command[1]))
        if command[0] == "nginx" and self.is_wrong:
            raise SystemExit(2)
        self.last_read = time.time() + 1
        return ""


def _reload(paths: list[Path], capsys: pytest.CaptureFixture[str], *, check: bool = False) -> bool:
    reload.main(json.dumps({"paths": [str(path) for path in paths], "check": check}))
    changed: bool = _told(capsys)["changed"]
    return changed


def test_nginx_that_missed_a_change_reads_it_with_the_next_deploy_and_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site.conf"
    site.touch()
    # Older content that was moved here is news.
    os.utime(site, (1, 1))
    paths = [site, tmp_path / "gone"]
    nginx = _Nginx(monkeypatch, time.time() - 100, is_wrong=True)
    with pytest.raises(SystemExit):
        _reload(paths, capsys)
    nginx.is_wrong = False
    assert _reload(paths, capsys, check=True)
    assert nginx.commands[1:] == [("nginx", "-t")]
    assert _reload(paths, capsys)
    assert nginx.commands[2:] == [("nginx", "-t"), ("systemctl", "reload")]
    assert not _reload(paths, capsys)


def test_a_site_that_was_taken_away_shows_in_its_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site.conf").touch()
    (tmp_path / "site.conf").unlink()
    _Nginx(monkeypatch, time.time() - 100)
    assert _reload([tmp_path / "site.conf", tmp_path], capsys)


def test_nginx_that_does_not_run_has_nothing_to_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _Nginx(monkeypatch, None)
    assert not _reload([tmp_path], capsys)


def test_nginx_that_goes_on_with_the_old_files_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "PATIENCE_SECONDS", 0)
    nginx = _Nginx(monkeypatch, time.time() - 100)
    monkeypatch.setattr(reload, "last_read", lambda _: time.time() - 100)
    with pytest.raises(SystemExit):
        _reload([tmp_path], capsys)
    assert nginx.commands[-1] == ("systemctl", "reload")
    assert "goes on with what it had" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1])
def test_a_site_is_validated_alone_and_leaves_no_file_behind(tmp_path: Path, code: int) -> None:
    command = yaml.safe_load((ROLES / "proxy/vars/main.yml").read_text(encoding="utf-8"))["__proxy_check"]
    (tmp_path / "nginx").write_text(f'#!/bin/sh\ncat "$4" >&2; touch "${{4%/*}}/pid"; exit {code}\n', encoding="utf-8")
    (tmp_path / "nginx").chmod(0o755)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "TMPDIR": str(scratch)}
    words = shlex.split(command % "/tmp/site.conf")  # noqa: S108 - not opened
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "http { include /tmp/site.conf; }" in done.stderr
    assert list(scratch.iterdir()) == []


def test_an_interrupted_deploy_still_removes_the_site_that_came_with_nginx() -> None:
    tasks = yaml.safe_load((ROLES / "proxy/tasks/present.yml").read_text(encoding="utf-8"))
    by_name = {task["name"]: task for task in tasks}
    names = list(by_name)
    assert names.index("Remember that nginx comes from us") < names.index("Install nginx")
    remove = by_name["Remove the site that came with it"]
    assert remove["when"] == "__proxy_fresh.stat.exists"
    assert remove["loop"] == ["/etc/nginx/sites-enabled/default", "{{ __proxy_marker }}"]
    assert not [task for task in tasks if "notify" in task]

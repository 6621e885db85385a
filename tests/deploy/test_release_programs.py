"""What brings a release, its secrets and its first account onto a host, and lets systemd run it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.program import program

switch = program("release/files/switch.py")
install = program("release/files/install.py")
release = program("release/filter_plugins/release.py")
run_units = program("units/files/run_units.py")
made_secrets = program("settings/files/made_secrets.py")
first_account = program("database/files/first_account.py")

Capture = pytest.CaptureFixture[str]


def _told(capsys: Capture) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def _release(home: Path, version: str, completed_at: int | None) -> Path:
    directory = home / "releases" / version
    directory.mkdir(parents=True)
    if completed_at is not None:
        (directory / ".complete").touch()
        os.utime(directory / ".complete", (completed_at, completed_at))
    return directory


def _switch(home: Path, version: str, *, keep: int = 9, check: bool = False) -> None:
    asked = {"home": str(home), "version": version, "keep": keep, "check": check}
    files = {"settings": str(home / ".env"), "next_settings": str(home / ".env.next")}
    switch.main(json.dumps(asked | files))


def test_a_switch_moves_the_link_once_and_remembers_where_it_led(tmp_path: Path, capsys: Capture) -> None:
    one, two = _release(tmp_path, "1", 1), _release(tmp_path, "2", 2)
    _switch(tmp_path, "1")
    assert _told(capsys) == {"switched": True, "removed": []}
    assert not (tmp_path / "previous").is_symlink()
    _switch(tmp_path, "2", check=True)
    assert _told(capsys)["switched"]
    assert (tmp_path / "current").readlink() == one
    _switch(tmp_path, "2")
    assert (tmp_path / "current").readlink() == two
    assert (tmp_path / "previous").readlink() == one
    capsys.readouterr()
    _switch(tmp_path, "2")
    assert not _told(capsys)["switched"]
    assert (tmp_path / "previous").readlink() == one


def test_a_switch_takes_the_settings_along_and_leaves_equal_ones_alone(tmp_path: Path, capsys: Capture) -> None:
    _release(tmp_path, "1", 1)
    (tmp_path / ".env.next").write_text("A=1", encoding="utf-8")
    _switch(tmp_path, "1")
    before = (tmp_path / ".env").stat()
    assert before.st_mode & 0o777 == 0o600
    capsys.readouterr()
    _switch(tmp_path, "1")
    assert not _told(capsys)["switched"]
    assert (tmp_path / ".env").stat().st_ino == before.st_ino
    (tmp_path / ".env.next").write_text("A=2", encoding="utf-8")
    _switch(tmp_path, "1")
    assert _told(capsys)["switched"]
    assert (tmp_path / ".env").read_text(encoding="utf-8") == "A=2"


def test_a_release_that_is_not_whole_is_not_switched_to(tmp_path: Path, capsys: Capture) -> None:
    _release(tmp_path, "1", None)
    with pytest.raises(SystemExit):
        _switch(tmp_path, "1")
    assert "is not installed" in capsys.readouterr().err
    assert not (tmp_path / "current").is_symlink()


def test_only_what_is_too_much_is_removed_the_incomplete_first(tmp_path: Path, capsys: Capture) -> None:
    for version, completed_at in (("1", 1), ("2", 2), ("3", 3), ("half", None), ("4", 4), ("5", 5)):
        _release(tmp_path, version, completed_at)
    # The oldest of all are the ones in use.
    (tmp_path / "current").symlink_to(tmp_path / "releases/1")
    _switch(tmp_path, "2", keep=3, check=True)
    capsys.readouterr()
    assert len(list((tmp_path / "releases").iterdir())) == 6
    _switch(tmp_path, "2", keep=3)
    assert sorted(Path(name).name for name in _told(capsys)["removed"]) == ["3", "4", "half"]
    assert sorted(each.name for each in (tmp_path / "releases").iterdir()) == ["1", "2", "5"]
    _switch(tmp_path, "2", keep=0)
    assert sorted(each.name for each in (tmp_path / "releases").iterdir()) == ["1", "2"]


def _checkout(directory: Path) -> Path:
    (directory / "app").mkdir(parents=True)
    (directory / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n', encoding="utf-8")
    (directory / "app/a.py").write_text("A = 1\n", encoding="utf-8")
    return directory


def test_a_version_changes_with_the_content_and_with_nothing_else(tmp_path: Path) -> None:
    one, two = _checkout(tmp_path / "one"), _checkout(tmp_path / "two")
    version = release.version(str(one))
    assert version.startswith("1.2.3-")
    os.utime(two / "app/a.py", (1, 1))
    (two / "app/a.py").chmod(0o600)
    (two / "app/__pycache__").mkdir()
    (two / "app/__pycache__/a.cpython-311.pyc").touch()
    (two / "app/a.py~").touch()
    (two / "app/.a.py.swp").touch()
    assert release.version(str(two)) == version
    assert release.packed(str(two)) == release.packed(str(one))
    (two / "app/a.py").write_text("A = 2\n", encoding="utf-8")
    assert release.version(str(two)) != version


def test_a_release_is_installed_once_and_anew_after_an_interruption_or_for_another_python(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    monkeypatch.setattr(install, "run", lambda what, _command: steps.append(what))
    monkeypatch.setattr(os, "umask", lambda _mask: 0)
    directory = tmp_path / "releases/1"
    archive = release.packed(str(_checkout(tmp_path / "checkout")))

    def changed(*, check: bool = False) -> bool:
        steps.clear()
        install.main(json.dumps({"directory": str(directory), "archive": archive, "check": check}))
        return bool(_told(capsys)["changed"])

    assert changed(check=True)
    assert not directory.exists()
    assert changed()
    assert len(steps) == 3
    assert (directory / "app/a.py").read_text(encoding="utf-8") == "A = 1\n"
    assert not changed()
    assert steps == []
    (directory / ".complete").unlink()
    (directory / "left behind").touch()
    assert changed()
    assert not (directory / "left behind").exists()
    (directory / ".complete").write_text("3.9\n", encoding="utf-8")
    assert changed()


def test_a_step_that_fails_leaves_no_whole_release(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(what: str, _command: list[str]) -> None:
        raise install.InstallationError(f"{what}: no index")

    monkeypatch.setattr(install, "run", fail)
    monkeypatch.setattr(os, "umask", lambda _mask: 0)
    archive = release.packed(str(_checkout(tmp_path / "checkout")))
    with pytest.raises(SystemExit):
        install.main(json.dumps({"directory": str(tmp_path / "1"), "archive": archive, "check": False}))
    assert "no virtual environment: no index" in capsys.readouterr().err
    assert not install.is_whole(tmp_path / "1")


def test_secrets_are_made_once_and_are_only_their_owners(tmp_path: Path, capsys: Capture) -> None:
    def made(*, check: bool = False) -> dict[str, Any]:
        made_secrets.main(json.dumps({"directory": str(tmp_path), "rpc_user": "appliance", "check": check}))
        return _told(capsys)

    file = tmp_path / "jwt_secret_key"
    assert made(check=True)["made"]
    assert not file.exists()
    first = made()
    assert first["made"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(first["found"]["jwt_secret_key"]) >= 64
    assert made() == {**first, "made": False}
    (tmp_path / "bitcoin_rpc_password").write_text("word\n", encoding="utf-8")
    assert made()["found"] == {**first["found"], "bitcoin_rpc_user": "appliance", "bitcoin_rpc_password": "word"}


def test_the_first_account_is_made_once_with_the_password_that_is_kept(tmp_path: Path, capsys: Capture) -> None:
    command = tmp_path / "utxoracle"
    command.write_text(
        f'#!/bin/sh\ncd {tmp_path}; case "$2" in list) cat accounts 2>/dev/null; exit 0;; '
        'create) [ ! -e broken ] || { echo broken >&2; exit 1; }; echo "$3" >> accounts; cat > given;; esac\n',
        encoding="utf-8",
    )
    command.chmod(0o755)
    kept = tmp_path / "first_password"
    asked = {"command": [str(command)], "environment": {}, "name": "admin", "password_file": str(kept)}
    (tmp_path / "broken").touch()
    with pytest.raises(SystemExit):
        first_account.main(json.dumps(asked))
    assert "broken" in capsys.readouterr().err
    password = kept.read_text(encoding="utf-8")
    assert kept.stat().st_mode & 0o777 == 0o600
    (tmp_path / "broken").unlink()
    first_account.main(json.dumps(asked))
    assert _told(capsys) == {"created": True}
    assert (tmp_path / "given").read_text(encoding="utf-8") == password
    first_account.main(json.dumps(asked))
    assert _told(capsys) == {"created": False}
    assert (tmp_path / "accounts").read_text(encoding="utf-8") == "admin\n"


class _Systemctl:
    """A systemctl on PATH that shows one service as it is told, and keeps what it was asked to do."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        script = f'#!/bin/sh\nif [ "$1" = show ]; then cat {directory}/shown; else echo "$*" >> {directory}/asked; fi\n'
        (directory / "systemctl").write_text(script, encoding="utf-8")
        (directory / "systemctl").chmod(0o755)
        monkeypatch.setenv("PATH", str(directory), prepend=":")
        self.show()

    def show(self, **others: str) -> None:
        since = str(int((time.monotonic() + 5) * 1e6))
        shown = {
            "Id": "a.service",
            "ActiveState": "active",
            "UnitFileState": "enabled",
            "NeedDaemonReload": "no",
            "FragmentPath": "",
            "DropInPaths": "",
            "ExecMainStartTimestampMonotonic": since,
            "ActiveEnterTimestampMonotonic": since,
            **others,
        }
        text = "\n".join(f"{name}={value}" for name, value in shown.items())
        (self.directory / "shown").write_text(f"{text}\n", encoding="utf-8")

    def run(self, capsys: Capture, *, check: bool = False) -> tuple[list[str], list[str]]:
        """Return what is said to be done, and what systemctl was asked."""
        (self.directory / "asked").write_text("", encoding="utf-8")
        asked = {"services": ["a.service"], "timers": [], "jobs": [], "settings": str(self.directory / "env")}
        run_units.main(json.dumps({**asked, "current": str(self.directory / "current"), "check": check}))
        return _told(capsys)["done"], (self.directory / "asked").read_text(encoding="utf-8").splitlines()


def test_what_runs_is_brought_to_what_is_installed_and_no_further(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "current").symlink_to("release")
    systemctl = _Systemctl(tmp_path, monkeypatch)
    assert systemctl.run(capsys) == ([], [])
    for shown, done, asked in (
        ({"NeedDaemonReload": "yes"}, "read again a.service", "daemon-reload"),
        ({"UnitFileState": "disabled"}, "enabled a.service", "enable a.service"),
        ({"ActiveState": "failed"}, "started a.service", "restart a.service"),
        ({"ExecMainStartTimestampMonotonic": "1"}, "started a.service", "restart a.service"),
    ):
        systemctl.show(**shown)
        assert systemctl.run(capsys, check=True) == ([done], [])
        assert systemctl.run(capsys) == ([done], [asked])


def test_a_service_that_does_not_start_is_told(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemctl = _Systemctl(tmp_path, monkeypatch)
    systemctl.show(ActiveState="failed")
    (tmp_path / "systemctl").write_text(
        f'#!/bin/sh\n[ "$1" = show ] || exit 1\ncat {tmp_path}/shown\n', encoding="utf-8"
    )
    monkeypatch.setattr(run_units, "log", lambda _name: "it says why")
    with pytest.raises(SystemExit):
        systemctl.run(capsys)
    assert "a.service does not start: it says why" in capsys.readouterr().err

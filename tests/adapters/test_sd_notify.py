from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from app.adapters.sd_notify import Systemd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def test_systemd_hears_each_state(systemd: socket.socket) -> None:
    supervisor = Systemd(systemd.getsockname())
    supervisor.ready()
    supervisor.alive()
    supervisor.stopping()
    assert [systemd.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_an_abstract_socket_is_written_with_an_at_sign() -> None:
    name = f"utxoracle-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(5)
        Systemd(f"@{name}").ready()
        assert listener.recv(100) == b"READY=1"


def test_taking_over_hides_the_socket_from_libraries(systemd: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": str(systemd.getsockname()), "HOME": "/"}
    Systemd.take_over(environ).ready()
    assert environ == {"HOME": "/"}
    assert systemd.recv(100) == b"READY=1"


def test_outside_systemd_nothing_is_sent() -> None:
    Systemd.take_over({}).ready()


def test_a_supervisor_that_went_away_is_only_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Systemd(str(tmp_path / "gone")).alive()
    assert "systemd was not told" in caplog.text

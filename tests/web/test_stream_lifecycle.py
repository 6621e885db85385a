from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.fakes.raw_stream_client import RawStreamClient
from tests.fakes.stream_client import connected, joined
from tests.fakes.stream_service import CHECKOUT, StreamService, free_port, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator


# Two are meant; the machine of a test may be busy with others.
SOON_SECONDS = 5


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StreamService]:
    with running(StreamService(tmp_path)) as service:
        yield service


def test_sigterm_closes_200_connections_with_1001_and_soon(service: StreamService) -> None:
    async def client(ready: asyncio.Barrier, number: int) -> int:
        async with connect(service.url, compression=None) as connection:
            # Some have not shown yet who they are.
            if number % 10:
                await connection.send(json.dumps({"type": "auth", "token": service.token()}))
                await connection.recv()
            await ready.wait()
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is not None
            return closed.value.rcvd.code

    async def everybody() -> tuple[float, list[int]]:
        ready = asyncio.Barrier(201)
        clients = [asyncio.create_task(client(ready, number)) for number in range(200)]
        await ready.wait()
        seconds = await asyncio.to_thread(service.stop)
        return seconds, await asyncio.wait_for(asyncio.gather(*clients), 30)

    seconds, codes = asyncio.run(everybody())
    assert set(codes) == {1001}
    assert seconds < SOON_SECONDS


def test_clients_that_answer_nothing_do_not_delay_the_end(service: StreamService) -> None:
    with RawStreamClient(service, service.token(), buffer_bytes=4096) as stalled, joined(service) as witness:
        stalled.send('{"type": "subscribe"}')
        stalled.next()
        ids = service.append(*range(200))
        assert witness.events(200) == ids
        assert service.stop() < SOON_SECONDS


def test_clients_that_left_in_whatever_way_leave_no_descriptor_behind(service: StreamService) -> None:
    def descriptors() -> int:
        return len(list(Path(f"/proc/{service.worker_pid}/fd").iterdir()))

    with joined(service) as witness:
        before = descriptors()
        for _ in range(10):
            with joined(service):
                pass
            with RawStreamClient(service, service.token()) as leaving:
                leaving.say_goodbye()
            with RawStreamClient(service, service.token()) as silent:
                silent.socket.sendall(b"\x81")
            with RawStreamClient(service) as refused:
                refused.send("no message")
        until(lambda: descriptors() <= before, "every descriptor to be closed")
        ids = service.append(1.0)
        assert witness.events(1) == ids


def test_after_the_end_the_doorbell_is_left_for_the_next_to_replace(service: StreamService) -> None:
    service.stop()
    service.start()
    with joined(service) as client:
        ids = service.append(1.0)
        began = time.monotonic()
        assert client.events(1) == ids
        assert time.monotonic() - began < 0.5


def test_bad_settings_are_all_listed_with_78_and_no_port_is_opened(tmp_path: Path) -> None:
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT),
        "UTXORACLE_ENV_FILE": "/dev/null",
        "STATE_DIRECTORY": str(tmp_path),
        "RUNTIME_DIRECTORY": str(tmp_path),
        "WEBSOCKET_PORT": str(port),
        "JWT_SECRET_KEY": "short",
        "API_PORT": "many",
    }
    done = subprocess.run(
        [sys.executable, "-m", "app.processes.websocket"],
        env=environ,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 78
    assert "JWT_SECRET_KEY" in done.stderr
    assert "API_PORT" in done.stderr
    assert not (tmp_path / "doorbell").exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_systemd_hears_that_the_stream_is_ready_alive_and_stopping(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        with running(StreamService(tmp_path, environ={"NOTIFY_SOCKET": str(tmp_path / "notify")})) as service:
            assert systemd.recv(100) == b"READY=1"
            with connected(service) as client:
                client.authenticate(service.token())
            assert systemd.recv(100) == b"WATCHDOG=1"
            service.stop(signal.SIGTERM)
        told = systemd.recv(100)
        while told == b"WATCHDOG=1":
            told = systemd.recv(100)
        assert told == b"STOPPING=1"

"""What is measured: the alert stream, and its peer, each as processes that are told of alerts in their own way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from app.adapters.database.events import append
from app.adapters.doorbell import UnixDoorbell
from app.services.whales.telling import Event
from tests.fakes.published import CHECKOUT
from tests.fakes.stream_service import StreamService, free_port, running, until

_NO_LIMIT = '{"connects_per_minute": 1000000}'


class Server(Protocol):
    """One of both.

    Attributes:
        url: Where clients connect.
        pid: Of the process that serves them.
    """

    url: str
    pid: int

    def tokens(self, count: int) -> list[str]:
        """Return tokens for that many clients, each another."""

    def tell(self, event: Event) -> tuple[int, float]:
        """Publish an event; return its id, and when the server was rung for."""

    def stop(self) -> float:
        """End it; return how many seconds that took."""


class Ours:
    """`app.processes.websocket` on a database of its own."""

    def __init__(self, service: StreamService) -> None:
        self.service = service
        self.url, self.pid = service.url, service.worker_pid
        self.stop = service.stop
        self._bell = UnixDoorbell(service.directory / "run" / "doorbell")

    def tokens(self, count: int) -> list[str]:
        return [self.service.token() for _ in range(count)]

    def tell(self, event: Event) -> tuple[int, float]:
        with self.service.database.writing() as connection:
            event_id = append(connection, *event, datetime.now(UTC))
        rung_at = time.monotonic()
        self._bell.ring()
        return event_id, rung_at


class Peer:
    """`tests.bench.stream_peer`; an event goes there as the very text that our clients are sent."""

    def __init__(self, port: int, bell: Path, process: subprocess.Popen[bytes]) -> None:
        self.url, self.pid = f"ws://127.0.0.1:{port}/ws/whales", process.pid
        self._process = process
        self._bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._bell.connect(str(bell))
        self._event_id = 0

    def tokens(self, count: int) -> list[str]:
        return [os.urandom(200).hex() for _ in range(count)]

    def tell(self, event: Event) -> tuple[int, float]:
        kind, payload = event
        self._event_id += 1
        text = msgspec.json.encode({"type": kind, "event_id": self._event_id} | payload)
        rung_at = time.monotonic()
        self._bell.send(text)
        return self._event_id, rung_at

    def stop(self) -> float:
        began = time.monotonic()
        self._process.terminate()
        self._process.wait(30)
        self._bell.close()
        return time.monotonic() - began


@contextmanager
def ours(directory: Path) -> Iterator[Ours]:
    # The locks of the appliance have no cryptography, and PyJWT does without it.
    with running(StreamService(directory, limits_json=_NO_LIMIT, lacks=("cryptography",))) as service:
        yield Ours(service)


@contextmanager
def peer(directory: Path) -> Iterator[Peer]:
    port, bell = free_port(), directory / "peer.sock"
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.stream_peer", str(port), str(bell)], cwd=CHECKOUT)
    with process:
        try:
            until(lambda: _listens(port), "the peer to listen")
            yield Peer(port, bell, process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text("ascii").split()[0]) for thread in threads) / 1e9


def memory_kib(pid: int) -> int:
    """Return the memory of a process; of what it shares with others, its part."""
    words: dict[str, Any] = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
    )
    return int(words["Pss"].split()[0])

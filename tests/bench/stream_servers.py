"""What is measured: the alert stream, and its peer, each a process that follows an event log of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.adapters.database.events import append
from app.adapters.doorbell import UnixDoorbell
from app.services.whales.telling import Event
from tests.fakes.published import CHECKOUT
from tests.fakes.stream_service import DEADLINE_SECONDS, StreamService, running, until

_NO_LIMIT = '{"connects_per_minute": 1000000}'


@dataclass(frozen=True)
class Server:
    """One of both.

    Attributes:
        service: Makes tokens, and has the database of the log.
        url: Where clients connect.
        pid: Of the process that serves them.
        stop: Ends it and returns how many seconds that took.
    """

    service: StreamService
    url: str
    pid: int
    stop: Callable[[], float]


def tell(service: StreamService, event: Event) -> tuple[int, float]:
    """Append an event to the log and ring; return its id, and when that was."""
    with service.database.writing() as connection:
        event_id = append(connection, *event, datetime.now(UTC))
    rung_at = time.monotonic()
    UnixDoorbell(service.directory / "run" / "doorbell").ring()
    return event_id, rung_at


@contextmanager
def ours(directory: Path) -> Iterator[Server]:
    """Run `app.processes.websocket`."""
    # The locks of the appliance have no cryptography, and PyJWT does without it.
    with running(StreamService(directory, limits_json=_NO_LIMIT, lacks=("cryptography",))) as service:
        yield Server(service, service.url, service.worker_pid, service.stop)


@contextmanager
def peer(directory: Path) -> Iterator[Server]:
    """Run `tests.bench.log_peer`."""
    service = StreamService(directory)
    with closing(service.database), log_peer_process(service.port, directory) as process:

        def stop() -> float:
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE_SECONDS)
            return time.monotonic() - began

        yield Server(service, service.url, process.pid, stop)


@contextmanager
def log_peer_process(port: int, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run it at a port, on the log of the appliance in `directory`, as soon as it listens; it may end before."""
    command = [sys.executable, "-m", "tests.bench.log_peer", str(port), str(directory)]
    with subprocess.Popen(command, cwd=CHECKOUT) as process:
        try:
            until(lambda: _listens(port), "the peer to listen")
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text("ascii").split()[0]) for thread in threads) / 1e9


def memory_kib(pid: int) -> int:
    """Return the memory of a process; of what it shares with others, its part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

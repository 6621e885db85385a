"""The alert stream as a process of its own, on a real database, for as long as a test needs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt

from app.adapters.database.accounts import DatabaseAccounts, DatabaseRevokedTokens
from app.adapters.database.engine import Database, open_database
from app.adapters.database.events import append
from app.adapters.database.migration import upgrade
from app.adapters.doorbell import UnixDoorbell

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "a-secret-of-the-tests-that-is-long-enough"  # noqa: S105 - signs nothing outside the tests
PREVIOUS_SECRET = "the-secret-that-was-before-it-long-enough"  # noqa: S105 - as above
PREPARED = """
import sys
sys.modules.update(dict.fromkeys({lacks}))
import msgspec
from app.processes.websocket import run
from app.web.stream_limits import StreamLimits
{sabotage}
run(msgspec.json.decode(sys.argv[1], type=StreamLimits))
"""
DEADLINE_SECONDS = 20.0
CHECKOUT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def price_payload(figure: float) -> dict[str, Any]:
    return {
        "timestamp": "2026-11-24T10:10:00+00:00",
        "utxoracle_price": figure,
        "exchange_price": 100_000.0,
        "difference": figure - 100_000.0,
        "difference_percent": (figure - 100_000.0) / 1000,
        "confidence": None,
        "block_height": 900_000,
        "is_valid": True,
        "invalid_reason": None,
    }


# Headers of a sound opening handshake.
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@dataclass
class StreamService:
    """One appliance's directory, with a database at head, and the stream that runs on it."""

    directory: Path
    database_url: str = ""
    limits_json: str = "{}"
    # A statement that breaks something inside, so that what happens then can be seen from outside.
    sabotage: str = ""
    # Packages of a checkout that an appliance does without.
    lacks: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.database_url = self.database_url or f"sqlite:///{self.directory / 'utxoracle.db'}"
        self.database: Database = open_database(self.database_url, create=True)
        upgrade(self.database)
        self.accounts = DatabaseAccounts(self.database)
        self.revoked = DatabaseRevokedTokens(self.database)
        self.accounts.create("watcher", "no password", "viewer")

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/whales"

    @property
    def log_file(self) -> Path:
        return self.directory / "stream.log"

    @property
    def worker_pid(self) -> int:
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return int(children.split()[0])

    def start(self) -> None:
        command = ["-m", "app.processes.websocket"]
        if self.limits_json != "{}" or self.sabotage or self.lacks:
            command = ["-c", PREPARED.format(sabotage=self.sabotage, lacks=self.lacks), self.limits_json]
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(CHECKOUT),
            "UTXORACLE_ENV_FILE": "/dev/null",
            "STATE_DIRECTORY": str(self.directory),
            "RUNTIME_DIRECTORY": str(self.directory / "run"),
            "DATABASE_URL": self.database_url,
            "JWT_SECRET_KEY": SECRET,
            "JWT_SECRET_KEY_PREVIOUS": PREVIOUS_SECRET,
            "WEBSOCKET_PORT": str(self.port),
            "RATE_LIMIT_PER_MINUTE": "100000",
            "LOG_LEVEL": "WARNING",
        } | self.environ
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, *command], env=environ, cwd=CHECKOUT, stderr=log)
        until(self._answers, "the stream to listen")

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> float:
        """End the process; return how many seconds that took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(sent)
        self.process.wait(DEADLINE_SECONDS)
        self.process = None
        return time.monotonic() - began

    def token(self, *, secret: str = SECRET, lifetime: timedelta = timedelta(hours=1), **claims: object) -> str:
        now = datetime.now(UTC)
        standard: dict[str, object] = {
            "sub": "watcher",
            "role": "viewer",
            "epoch": 1,
            "jti": os.urandom(8).hex(),
            "type": "access",
            "fresh": False,
            "iat": now - timedelta(seconds=1),
            "nbf": now - timedelta(seconds=1),
            "exp": now + lifetime,
        }
        return jwt.encode(standard | claims, secret, algorithm="HS256")

    def append(self, *figures: float, ring: bool = True, age: timedelta = timedelta(0)) -> list[int]:
        """Append a price event for each of `figures`, in one transaction; return their ids."""
        with self.database.writing() as connection:
            ids = [
                append(connection, "price_update", price_payload(figure), datetime.now(UTC) - age) for figure in figures
            ]
        if ring:
            UnixDoorbell(self.directory / "run" / "doorbell").ring()
        return ids

    def tell(self, *events: tuple[str, dict[str, Any]]) -> list[int]:
        """Append events of any type, in one transaction; return their ids."""
        with self.database.writing() as connection:
            ids = [append(connection, kind, payload, datetime.now(UTC)) for kind, payload in events]
        UnixDoorbell(self.directory / "run" / "doorbell").ring()
        return ids

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.process.returncode, self.log_file.read_text("utf-8"))
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
            # The port is open before there is a worker, so an answer is what counts.
            probe.settimeout(DEADLINE_SECONDS)
            probe.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return probe.recv(12) == b"HTTP/1.1 426"


@contextmanager
def running(service: StreamService) -> Iterator[StreamService]:
    """Start `service`, and end it whatever happens."""
    try:
        service.start()
        yield service
    finally:
        if service.process is not None:
            service.stop(signal.SIGKILL)
        service.database.close()


def until(condition: Any, what: str) -> None:  # noqa: ANN401 - a callable that returns anything
    """Return once `condition()` is true; fail when it does not become so in time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS} s for {what}"
        time.sleep(0.01)

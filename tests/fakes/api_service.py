"""The API as a process of its own, beside a real alert stream, for as long as a test needs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from werkzeug.security import generate_password_hash

from tests.fakes.stream_service import DEADLINE_SECONDS, PREVIOUS_SECRET, SECRET, StreamService, free_port, until

CHECKOUT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"  # noqa: S105 - of accounts that live for a test
# Several who ask for a year of prices at once share one core with whatever else the machine does.
ANSWER_SECONDS = 60.0


class ApiService:
    """`app.processes.api` on the database of `stream`; `environ` differs from, or adds to, the usual settings."""

    def __init__(self, stream: StreamService, **environ: str) -> None:
        self.stream = stream
        self.port = free_port()
        self.environ = {
            "PATH": os.environ["PATH"],
            "UTXORACLE_ENV_FILE": "/dev/null",
            "STATE_DIRECTORY": str(stream.directory),
            "RUNTIME_DIRECTORY": str(stream.directory / "run"),
            "DATABASE_URL": stream.database_url,
            "JWT_SECRET_KEY": SECRET,
            "JWT_SECRET_KEY_PREVIOUS": PREVIOUS_SECRET,
            "API_PORT": str(self.port),
            "WEBSOCKET_PORT": str(stream.port),
            "BITCOIN_NETWORK": "regtest",
            "BITCOIN_RPC_URL": f"http://127.0.0.1:{free_port()}",
            "MEMPOOL_API_URL": f"http://127.0.0.1:{free_port()}",
            "ELECTRS_API_URL": "",
            "LOG_LEVEL": "WARNING",
        } | environ
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the process and do not wait for it."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.processes.api"], env=self.environ, cwd=CHECKOUT, stderr=subprocess.PIPE
        )
        return self.process

    def get(self, path: str, token: str | None = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=ANSWER_SECONDS)

    def post(self, path: str, token: str | None = None, **body: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"http://127.0.0.1:{self.port}{path}"
        return requests.post(url, headers=headers, json=body or None, timeout=DEADLINE_SECONDS)

    def checks(self, token: str | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/health", token).json()["checks"]
        return found

    def add_account(self, username: str) -> None:
        self.stream.accounts.create(username, generate_password_hash(PASSWORD), "viewer")

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> float:
        """End the process; return how many seconds that took."""
        assert self.process is not None
        assert self.process.stderr is not None
        began = time.monotonic()
        self.process.send_signal(sent)
        self.process.wait(DEADLINE_SECONDS)
        self.process.stderr.close()
        return time.monotonic() - began

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def serving(api: ApiService) -> Iterator[ApiService]:
    """Start `api`, wait until it listens, and end it whatever happens."""
    process = api.launch()
    try:
        until(lambda: process.poll() is not None or api.listens(), "the API to listen")
        assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
        yield api
    finally:
        if process.poll() is None:
            api.stop(signal.SIGKILL)
        elif process.stderr is not None:
            process.stderr.close()

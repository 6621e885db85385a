"""The processes of a whale appliance; each can be started, stopped, and killed at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from tests.fakes.stream_service import CHECKOUT, StreamService
from tests.node.bitcoind import Bitcoind
from tests.whales.supervisor import Supervisor

PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.01
_SHOWN_CHARACTERS = 4000


class Part(Protocol):
    """One process; what it does on its ports and in its directory, it goes on with after it was started again."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""

    @property
    def pid(self) -> int:
        """Of the process; for `/proc`."""

    def start(self) -> None:
        """Start it, and wait until it is ready."""

    def stop(self) -> None:
        """End it in an orderly way."""

    def kill(self) -> None:
        """End it with SIGKILL."""

    def log(self) -> str:
        """Return what it has written about itself so far."""


class NodePart:
    """bitcoind, alone in its network. What a kill takes along, nobody gives back, but it can be saved just before."""

    name = "bitcoind"

    def __init__(self, node: Bitcoind) -> None:
        self._node = node

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self._node.start()
        until(lambda: self._node.call("getmempoolinfo")["loaded"], "bitcoind's mempool")

    def stop(self) -> None:
        self._node.stop()

    def kill(self, *, saved: bool = False, forgets_blocks: bool = False) -> None:
        """End it with SIGKILL.

        Args:
            saved: The mempool survives.
            forgets_blocks: It knows nothing of its newest blocks any more, and they cannot be had from peers. bitcoind
                writes them down about once an hour, and before it looks through its coins.
        """
        if saved:
            self._node.call("savemempool")
        if not forgets_blocks:
            self._node.call("gettxoutsetinfo", "none")
        self._node.kill()
        if not saved:
            # One of an earlier stop would bring back what was mined long ago, or replaced.
            (self._node.directory / "regtest" / "mempool.dat").unlink(missing_ok=True)

    def log(self) -> str:
        return (self._node.directory / "regtest" / "debug.log").read_text("utf-8", errors="replace")

    @property
    def _process(self) -> subprocess.Popen[bytes] | None:
        return self._node._process  # noqa: SLF001 - the pid is nobody's business but that of a test that kills


class StreamPart:
    """The alert stream, with all its processes."""

    name = "websocket"

    def __init__(self, stream: StreamService) -> None:
        self._stream = stream

    @property
    def is_running(self) -> bool:
        return self._stream.process is not None and self._stream.process.poll() is None

    @property
    def pid(self) -> int:
        """Of the worker, which does the work."""
        return self._stream.worker_pid

    def start(self) -> None:
        self._stream.start()

    def stop(self) -> None:
        self._stream.stop()

    def kill(self) -> None:
        worker = self._stream.worker_pid
        # The master first: it would start another worker.
        self._stream.stop(signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{worker}").exists(), "the worker to end")

    def log(self) -> str:
        return self._stream.log_file.read_text("utf-8")


class ServicePart:
    """One of our services that is one process, told apart by its module in `app.processes`.

    Args:
        name: Of the module.
        directory: Where its log goes.
        environ: Its settings.
    """

    def __init__(self, name: str, directory: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self.environ = dict(environ)
        self.supervisor = Supervisor()
        self._log_file = directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start it; `wait` until it says that it is ready."""
        assert not self.is_running
        self.supervisor.forget()
        environ = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": self.supervisor.address} | self.environ
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"app.processes.{self.name}"], env=environ, cwd=CHECKOUT, stdout=log, stderr=log
            )
        if wait:
            until(self._is_ready, f"{self.name} to be ready")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def log(self) -> str:
        return self._log_file.read_text("utf-8") if self._log_file.exists() else ""

    def close(self) -> None:
        """End whatever still runs, and listen to it no longer."""
        self.kill()
        self.supervisor.close()

    def assert_not_ended(self) -> None:
        """Fail, with its own words, if it has ended although nobody ended it."""
        code = self._process.poll() if self._process is not None else None
        assert code is None, f"{self.name} ended with {code}:\n{self.log()[-_SHOWN_CHARACTERS:]}"

    def _is_ready(self) -> bool:
        self.assert_not_ended()
        return self.supervisor.is_ready()

    def _end(self, sent: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(sent)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Return once `condition()` is true; fail when it does not become so in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(_POLL_SECONDS)

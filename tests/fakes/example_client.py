"""What tests of docs/examples do to the stream, and look at in the client."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

import pytest
from whale_stream import Message, Position, Token

from tests.fakes.stream_client import PATIENCE_SECONDS, connected
from tests.fakes.stream_service import CHECKOUT, StreamService, until

EXAMPLES = CHECKOUT / "docs" / "examples"


def position_of(service: StreamService) -> Position:
    """Return the position after an event that is appended for it."""
    (newest,) = service.append(1.0)
    with connected(service) as client:
        return Position(client.authenticate(service.token())["log_identity"], newest)


def watcher(service: StreamService) -> Token:
    """Sign in as the service's watcher."""
    return Token(service.token())


def kill_9(service: StreamService) -> None:
    """End master and worker together, as systemd ends a group."""
    worker = service.worker_pid
    service.stop(signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{worker}").exists(), "the worker to end")


def ids(messages: Iterator[Message], count: int) -> list[int]:
    """Return the ids of the next `count` messages, all of which must be events."""
    return [message["event_id"] for message in islice(messages, count)]


def awaited(messages: Iterator[Message]) -> Callable[[], Message]:
    """Wait for the next message in a thread, which a test that fails leaves behind; return what gives the message."""
    received: SimpleQueue[Message] = SimpleQueue()
    threading.Thread(target=lambda: received.put(next(messages)), daemon=True).start()
    return lambda: received.get(timeout=PATIENCE_SECONDS)


def breaks(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return why the client had to come back, each time."""
    return [record.getMessage() for record in caplog.records if "is away" in record.getMessage()]

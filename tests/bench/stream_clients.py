"""Thousands of clients of an alert stream in one process of their own, which notes when each alert came to each.

    with connected(url, tokens, 1000) as clients:
        ...
        receipts = clients.receipts(events=50)

Times are of `time.monotonic`, which is one clock for all processes of a machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.fakes.published import CHECKOUT


@dataclass(frozen=True)
class Receipts:
    """What the clients received.

    Attributes:
        times: When an event came, once for each client that reads, by event id and in the order of the log.
        shown_out: Of those that had read nothing, how many found their connection ended for being too slow.
        faults: Whatever else came: an event twice, out of order, or of other bytes than another client had, the end of
            a connection; and what did not come. Nothing of the kind in a sound run.
    """

    times: dict[int, list[float]]
    shown_out: int
    faults: list[str]

    def delays_ms(self, sent_at: dict[int, float]) -> list[float]:
        """Return how long each event of `sent_at` took to each client, in milliseconds and in order of size."""
        return sorted((at - sent) * 1e3 for event, sent in sent_at.items() for at in self.times[event])


class StreamClients:
    """The process; made by `connected`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def receipts(self, events: int, patience_seconds: float = 20, *, stalled_read: bool = False) -> Receipts:
        """Return what came since the last time, once each client has had `events` events or patience ends.

        Args:
            events: More than at the last time.
            patience_seconds: To wait for them.
            stalled_read: Whether those that read nothing until now read what there is for them.
        """
        said = self._ask({"events": events, "patience_seconds": patience_seconds, "stalled_read": stalled_read})
        return Receipts({int(event): times for event, times in said.pop("times").items()}, **said)

    def _ask(self, question: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def connected(url: str, tokens: Sequence[str], count: int, *, stalled: int = 0) -> Iterator[StreamClients]:
    """Connect `count` clients, one after another, authenticate and subscribe them, and end them whatever happens.

    Args:
        url: As `ws://host:port/path`.
        tokens: Taken in turns.
        count: Of clients that read.
        stalled: Further ones that subscribe and then read nothing.
    """
    command = [sys.executable, "-m", "tests.bench.stream_load"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    with process:
        try:
            clients = StreamClients(process)
            clients._ask({"url": url, "tokens": list(tokens), "count": count, "stalled": stalled})  # noqa: SLF001 - ours
            yield clients
        finally:
            process.kill()

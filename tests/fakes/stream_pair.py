"""Clients of a real hub over socket pairs, in the process of the test: what happens between two of its steps shows."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import gevent

from app.services.event_log import Event
from app.services.tokens import Grant
from app.web.stream_connection import Connection
from app.web.stream_deadlines import Deadlines
from app.web.stream_entry import Entrance
from app.web.stream_hub import Hub
from app.web.stream_limits import StreamLimits
from app.web.stream_messages import Filters, Subscribe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.services.event_log import EventLog
    from app.web.stream_outbox import Outbox

NOW = datetime.now(UTC)
GRANT = Grant("watcher", "viewer", frozenset({"a token"}), NOW + timedelta(hours=1), 1)
LIMITS = StreamLimits()
PATIENCE_SECONDS = 10.0


class ListLog:
    """A log that is a list, and counts how often it was read."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self.events = list(events)
        self.reads = 0

    def identity(self) -> str:
        return "a log"

    def news(self, event_id: int, limit: int) -> tuple[str, Sequence[Event]]:
        return "a log", self.after(event_id, limit)

    def last_id(self) -> int:
        return self.events[-1].id if self.events else 0

    def last_before(self, moment: datetime) -> int:
        return max((each.id for each in self.events if each.created_at < moment), default=0)

    def after(self, event_id: int, limit: int) -> Sequence[Event]:
        self.reads += 1
        return [each for each in self.events if each.id > event_id][:limit]


def event(number: int, **payload: object) -> Event:
    return Event(number, "whale_alert", NOW, payload)


def hub_of(log: EventLog) -> Hub:
    """Return a hub at the end of `log`."""
    hub = Hub(log, heartbeat_seconds=30)
    hub.begin(log.identity(), log.last_id())
    return hub


class HubClient:
    """One who was let in, and subscribed if there is a wish."""

    def __init__(self, hub: Hub, wish: Subscribe | None = None, limits: StreamLimits = LIMITS) -> None:
        self.hub = hub
        ours, self.socket = socket.socketpair()
        ours.settimeout(0)
        self.socket.settimeout(0)
        nobody: Any = SimpleNamespace()
        self.connection = Connection(ours.detach(), hub, Entrance(nobody), Deadlines(), limits)
        self.connection.begin()
        self.connection.welcome(GRANT)
        if wish is not None:
            self.connection.subscription.begin(wish)
        self._received = b""
        self._frames: list[tuple[int, bytes]] = []

    def messages(self) -> list[dict[str, Any]]:
        """Return all that has come, but the welcome and the code of the close."""
        self._read()
        texts = [json.loads(payload) for opcode, payload in self._frames if opcode == 1]
        return [each for each in texts if each["type"] != "welcome"]

    def ids(self) -> list[int]:
        """Return the ids of the events that have come."""
        return [each["event_id"] for each in self.messages() if "event_id" in each]

    def close_code(self) -> int | None:
        """Return the code with which the connection was closed; None while it is open."""
        self._read()
        return next((int.from_bytes(payload[:2]) for opcode, payload in self._frames if opcode == 8), None)

    @property
    def outbox(self) -> Outbox:
        """Return what is on its way to it."""
        outbox: Outbox = self.connection._socket.outbox  # noqa: SLF001 - to be broken
        return outbox

    def leave(self) -> None:
        self.connection.release()
        self.socket.close()

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while data := self.socket.recv(1 << 20):
                self._received += data
        while self._received:
            length, start = self._received[1], 2
            if length == 126:
                length, start = int.from_bytes(self._received[2:4]), 4
            if length == 127:
                length, start = int.from_bytes(self._received[2:10]), 10
            if len(self._received) < start + length:
                return
            self._frames.append((self._received[0] & 0x0F, self._received[start : start + length]))
            self._received = self._received[start + length :]


def until(condition: Callable[[], object], what: str) -> None:
    """Let others go on until `condition()` is true; fail when it does not become so in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS} s for {what}"
        gevent.sleep(0.001)


def all_events() -> Subscribe:
    return Subscribe(filters=Filters())

"""A client of the alert stream as an operator would write one: it comes back, and asks for what it has missed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.whales.parts import until

_AGAIN_SECONDS = 0.05
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Received:
    """A message, and when it came by the monotonic clock."""

    at_seconds: float
    message: dict[str, Any]

    @property
    def event_id(self) -> int | None:
        """Its place in the event log; None when it does not come from there."""
        found: int | None = self.message.get("event_id")
        return found


class FaithfulClient:
    """Follows the stream in a thread of its own until it is closed.

    Args:
        url: Of the stream.
        token: Gives a fresh token for each connection.
        last_event_id: Begin after it; None for what comes from now on.
        filters: What it wants to hear of whales; all of it without.

    Attributes:
        received: All messages, in their order.
        faults: What must not happen: an event twice or out of order, a resynchronisation, an unexpected answer.
        connects: How many times it was let in.
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        last_event_id: int | None = None,
        filters: dict[str, object] | None = None,
    ) -> None:
        self.received: list[Received] = []
        self.faults: list[str] = []
        self.connects = 0
        self.last_event_id = last_event_id
        self._url = url
        self._token = token
        self._filters = filters or {}
        self._identity: str | None = None
        self._connection: ClientConnection | None = None
        self._is_subscribed = threading.Event()
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def wait_until_subscribed(self) -> None:
        """Return once the client is let in."""
        assert self._is_subscribed.wait(_TIMEOUT_SECONDS), f"not let in; faults: {self.faults}"

    def events(self, *types: str) -> list[Received]:
        """Return what came from the event log, of these types or of all."""
        return [
            each
            for each in list(self.received)
            if each.event_id is not None and (not types or each.message["type"] in types)
        ]

    def wait_for_event(self, event_id: int) -> None:
        """Return once everything up to this event has come."""
        until(lambda: (self.last_event_id or 0) >= event_id, f"event {event_id} at the client; faults: {self.faults}")

    def close(self) -> None:
        """Leave, and fail if the thread does not end."""
        self._is_closed.set()
        if self._connection is not None:
            self._connection.close()
        self._thread.join(_TIMEOUT_SECONDS)
        assert not self._thread.is_alive(), "the client does not end"

    def _follow(self) -> None:
        while not self._is_closed.is_set():
            with suppress(OSError, WebSocketException, TimeoutError):
                self._visit()
            self._is_subscribed.clear()
            self._is_closed.wait(_AGAIN_SECONDS)

    def _visit(self) -> None:
        with connect(self._url, compression=None, open_timeout=_TIMEOUT_SECONDS, max_queue=None) as connection:
            self._connection = connection
            self._say(type="auth", token=self._token())
            welcome = json.loads(connection.recv(_TIMEOUT_SECONDS))
            if welcome["type"] != "welcome":
                self.faults.append(f"not welcome: {welcome}")
                return
            self._subscribe(welcome)
            while not self._is_closed.is_set():
                try:
                    text = connection.recv()
                except ConnectionClosed:
                    return
                self._take(Received(time.monotonic(), json.loads(text)))

    def _subscribe(self, welcome: dict[str, Any]) -> None:
        if self.last_event_id is None:
            self.last_event_id = welcome["last_event_id"]
        self._say(type="subscribe", last_event_id=self.last_event_id, filters=self._filters)

    def _take(self, received: Received) -> None:
        self.received.append(received)
        event_id = received.event_id
        if received.message.get("status") == "subscribed":
            self.connects += 1
            self._is_subscribed.set()
        elif received.message["type"] in {"resync_required", "error"}:
            self.faults.append(str(received.message))
        elif event_id is not None:
            if event_id <= (self.last_event_id or 0):
                self.faults.append(f"event {event_id} came after {self.last_event_id}")
            self.last_event_id = event_id

    def _say(self, **message: object) -> None:
        assert self._connection is not None
        self._connection.send(json.dumps(message))


@contextmanager
def faithful_client(
    url: str, token: Callable[[], str], last_event_id: int | None = None, filters: dict[str, object] | None = None
) -> Iterator[FaithfulClient]:
    """Follow the stream; the client is let in, or this fails."""
    client = FaithfulClient(url, token, last_event_id, filters)
    try:
        client.wait_until_subscribed()
        yield client
    finally:
        client.close()

"""A client of the alert stream, for tests: JSON in and out, and the close code."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app.web.stream_messages import STREAMED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.stream_service import StreamService

PATIENCE_SECONDS = 20.0


class StreamClient:
    """One connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, **message: object) -> None:
        self.connection.send(json.dumps(message))

    def receive(self, timeout_seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.connection.recv(timeout_seconds))
        return message

    def authenticate(self, token: str) -> dict[str, Any]:
        self.send(type="auth", token=token)
        welcome = self.receive()
        assert welcome["type"] == "welcome", welcome
        return welcome

    def subscribe(self, **wish: object) -> None:
        self.send(type="subscribe", **wish)
        assert self.receive() == {"type": "connection", "status": "subscribed", "reason": None}

    def events(self, count: int) -> list[int]:
        """Return the ids of the next `count` messages, all of which must be events."""
        received = [self.receive() for _ in range(count)]
        assert {each["type"] for each in received} <= STREAMED, received
        return [each["event_id"] for each in received]

    def is_quiet(self, seconds: float = 0.3) -> bool:
        try:
            self.receive(seconds)
        except TimeoutError:
            return True
        return False

    def ending(self) -> tuple[list[dict[str, Any]], int]:
        """Return the messages that still come, and the code with which the other side closes."""
        last: list[dict[str, Any]] = []
        closed: ConnectionClosed | None = None
        while closed is None:
            try:
                last.append(self.receive())
            except ConnectionClosed as error:
                closed = error
        assert closed.rcvd is not None, "the connection broke without a close frame"
        return last, closed.rcvd.code

    def close_code(self) -> int:
        return self.ending()[1]


@contextmanager
def connected(service: StreamService, **options: Any) -> Iterator[StreamClient]:  # noqa: ANN401 - passed on
    """Connect; `options` are those of websockets' `connect`."""
    with connect(service.url, compression=options.pop("compression", None), **options) as connection:
        yield StreamClient(connection)


@contextmanager
def joined(service: StreamService, **wish: object) -> Iterator[StreamClient]:
    """Connect, authenticate as the service's watcher, and subscribe."""
    with connected(service) as client:
        client.authenticate(service.token())
        client.subscribe(**wish)
        yield client

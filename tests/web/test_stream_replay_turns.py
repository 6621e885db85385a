"""A replay that waits for a slow client belongs to the wish of before, once there is another one."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING

import gevent
import pytest

from app.services.event_log import Event
from app.web.giving_way import Turns
from app.web.stream_broadcast import Bundle
from app.web.stream_limits import StreamLimits
from app.web.stream_messages import Subscribe, event_frame
from app.web.stream_outbox import Outbox
from app.web.stream_subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BACKLOG_BYTES = 64 * 1024
EVENTS = 400


class Client:
    """One end of a connection that is slow at first, and the subscription at the other."""

    def __init__(self) -> None:
        ours, self._theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - socket's own
        self._theirs.setblocking(False)  # noqa: FBT003 - socket's own
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        self.sockets = (ours, self._theirs)
        self.events = [event(number) for number in range(1, EVENTS + 1)]
        connection = SimpleNamespace(fall_behind=self._fail, release=self._fail, close=self._fail, is_open=True)
        self.hub = SimpleNamespace(log=self, readers=Turns(2), position=EVENTS, identity="a log", tell=lambda _: None)
        self.outbox = Outbox(ours.fileno(), BACKLOG_BYTES, connection)
        self.subscription = Subscription(connection, self.outbox, self.hub, StreamLimits())  # type: ignore[arg-type]
        connection.subscription = self.subscription

    def last_id(self) -> int:
        return self.events[-1].id

    def after(self, event_id: int, limit: int) -> list[Event]:
        return [each for each in self.events if each.id > event_id][:limit]

    def publish(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            self.events.append(event(number))
            self.hub.position = number
            self.subscription.deliver(Bundle([(self.events[-1], event_frame(self.events[-1]))]))

    def receive(self) -> list[int]:
        """Read all that comes; return the ids of the events."""
        received, quiet = b"", 0
        while quiet < 20:
            with suppress(BlockingIOError):
                received += os.read(self._theirs.fileno(), 1 << 16)
                quiet = -1
            quiet += 1
            gevent.sleep(0.005)
        return [int(number) for number in re.findall(rb'"event_id":(\d+)', received)]

    def _fail(self, *_: object) -> None:
        raise AssertionError("the connection was given up")


def event(number: int) -> Event:
    return Event(number, "price_update", datetime.now(UTC), {"filling": "x" * 2000})


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.subscription.end()
    client.outbox.close()
    for each in client.sockets:
        each.close()


def _stall(client: Client) -> None:
    client.subscription.begin(Subscribe(last_event_id=0))
    gevent.sleep(0.1)
    assert client.outbox.waiting_bytes


def _replace_the_log(client: Client) -> int:
    client.events, client.hub.position, client.hub.identity = [event(1)], 1, "another log"
    client.subscription.restart()
    return 1


def _subscribe_from_now(client: Client) -> int:
    client.subscription.begin(Subscribe())
    return EVENTS


@pytest.mark.parametrize("wish", [_replace_the_log, _subscribe_from_now])
def test_what_follows_a_new_wish_comes_completely_though_an_old_replay_was_waiting(
    client: Client, wish: Callable[[Client], int]
) -> None:
    _stall(client)
    position = wish(client)
    client.receive()
    client.publish(position + 1, position + 20)
    assert client.receive() == list(range(position + 1, position + 21))


def test_a_second_replay_is_whole_though_the_first_one_was_waiting(client: Client) -> None:
    _stall(client)
    client.subscription.begin(Subscribe(last_event_id=300))
    received = client.receive()
    assert received[received.index(301) :] == list(range(301, EVENTS + 1))

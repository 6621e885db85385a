"""Replays take little: of the memory, of the time of those who are live, and of what need not be read at all."""

from __future__ import annotations

import gc
import socket
import weakref
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import gevent
import pytest

from app.services.storage import StorageUnavailableError
from app.web.stream_messages import Filters, Subscribe
from tests.fakes.stream_pair import LIMITS, NOW, HubClient, ListLog, event, hub_of, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.services.event_log import Event

READABLE = 1
EVERYTHING = Subscribe(last_event_id=0)
# Of everything, but it is sent nothing, so that it is never waited for.
NOTHING = Subscribe(last_event_id=0, filters=Filters(statuses=[]))


class Payload(dict[str, object]):
    """A payload of which can be asked whether anybody still has it."""


class YieldingLog(ListLog):
    """Lets others go first before it answers, as the driver of PostgreSQL does."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        super().__init__(events)
        self.asking = self.most_asking = 0

    def last_id(self) -> int:
        with self._asked():
            return super().last_id()

    def after(self, event_id: int, limit: int) -> Sequence[Event]:
        with self._asked():
            return super().after(event_id, limit)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        self.asking += 1
        self.most_asking = max(self.most_asking, self.asking)
        gevent.sleep(0.0015)
        yield
        # What comes now is not in the answer.
        gevent.sleep(0.0015)
        self.asking -= 1


def numbers(first: int, last: int, **payload: object) -> list[Event]:
    return [event(number, **payload) for number in range(first, last + 1)]


@contextmanager
def joining(log: ListLog, *wishes: Subscribe, stall_seconds: float = 30) -> Iterator[list[HubClient]]:
    hub = hub_of(log)
    clients = [HubClient(hub, wish, replace(LIMITS, stall_seconds=stall_seconds)) for wish in wishes]
    try:
        yield clients
    finally:
        for client in clients:
            client.leave()


def publish(client: HubClient, log: ListLog, *events: Event) -> None:
    for each in events:
        log.events.append(each)
        client.hub.publish(each)
        gevent.sleep(0.001)


@pytest.mark.parametrize("milliseconds", [0, 1, 2, 4, 5, 7, 8, 10, 11])
def test_a_replay_whose_query_is_answered_after_another_wish_leaves_that_one_alone(milliseconds: int) -> None:
    log = YieldingLog(numbers(1, 2))
    with joining(log, Subscribe(last_event_id=2)) as (client,):
        gevent.sleep(milliseconds / 1000)
        client.connection.subscription.begin(Subscribe())
        gevent.sleep(0.05)
        publish(client, log, event(3))
        assert client.ids() == [3]


def test_what_is_published_while_a_replay_goes_on_comes_once_and_in_order() -> None:
    log = YieldingLog(numbers(1, 100))
    with joining(log, EVERYTHING, EVERYTHING, EVERYTHING) as clients:
        for number in range(101, 141):
            publish(clients[0], log, event(number))
        until(lambda: all(140 in client.ids() for client in clients), "the last one")
        assert all(client.ids() == list(range(1, 141)) for client in clients)


def test_wishes_that_wait_for_a_client_that_reads_nothing_hold_nothing_of_what_they_have_read() -> None:
    given: list[weakref.ref[Payload]] = []

    class FreshLog(ListLog):
        def after(self, event_id: int, limit: int) -> Sequence[Event]:
            found = [replace(each, payload=Payload(each.payload)) for each in super().after(event_id, limit)]
            given.extend(weakref.ref(each.payload) for each in found if isinstance(each.payload, Payload))
            return found

    with joining(FreshLog(numbers(1, 2_000, filling="x" * 1_000)), EVERYTHING) as (client,):
        for _ in range(20):
            until(lambda: is_stalled(client), "the client to have no room")
            client.connection.subscription.begin(EVERYTHING)
        gevent.sleep(0.05)
        gc.collect()
        assert given
        assert not [each for each in given if each() is not None]
        assert client.close_code() is None


def test_a_wish_ends_the_replay_before_it_at_once_though_that_waits_for_the_client() -> None:
    with joining(ListLog(numbers(1, 2_000, filling="x" * 1_000)), EVERYTHING) as (client,):
        until(lambda: is_stalled(client), "the client to have no room")
        for _ in range(20):
            client.connection.subscription.begin(EVERYTHING)
            gevent.sleep(0.001)
        until(lambda: replays_that_wait() == 1, "all but the last to end")


def is_stalled(client: HubClient) -> bool:
    return client.outbox.waiting_bytes > LIMITS.backlog_bytes // 2


def replays_that_wait() -> int:
    greenlets = [each for each in gc.get_objects() if isinstance(each, gevent.Greenlet)]
    return sum(not each.dead and "Replay.run" in repr(each) for each in greenlets)


def test_a_client_that_reads_slowly_gets_everything_once_and_in_order() -> None:
    with joining(ListLog(numbers(1, 500, filling="x" * 1_000)), EVERYTHING) as (client,):
        until(lambda: 500 in client.ids(), "the last one")
        assert client.ids() == list(range(1, 501))
        assert client.close_code() is None


def test_an_entry_bigger_than_what_may_wait_comes_in_its_place() -> None:
    large = event(3, filling="x" * (LIMITS.backlog_bytes + 1))
    with joining(ListLog([*numbers(1, 2), large, *numbers(4, 5)]), EVERYTHING) as (client,):
        until(lambda: 5 in client.ids(), "the last one")
        assert client.ids() == [1, 2, 3, 4, 5]


def test_a_client_that_takes_nothing_of_what_it_missed_is_closed_with_4409() -> None:
    log = ListLog(numbers(1, 2_000, filling="x" * 1_000))
    with joining(log, EVERYTHING, stall_seconds=0.05) as (client,):
        until(lambda: not client.connection.is_open, "the end of patience")
        until(client.close_code, "the close frame")
        assert client.close_code() == 4409
        assert 0 < len(client.ids()) < 2_000


def test_no_more_than_two_read_the_log_at_one_time_however_many_come_back() -> None:
    log = YieldingLog(numbers(1, 40))
    with joining(log, *[EVERYTHING] * 30) as clients:
        until(lambda: all(40 in client.ids() for client in clients), "the last one")
        assert all(client.ids() == list(range(1, 41)) for client in clients)
        assert log.most_asking == 2


def test_what_comes_for_others_is_served_between_the_reads_of_those_who_come_back() -> None:
    log = ListLog(numbers(1, 1_000))
    ours, theirs = socket.socketpair()
    with ours, theirs, joining(log, *[NOTHING] * 50):
        before: list[int] = []
        reads: list[int] = []
        watcher = gevent.get_hub().loop.io(ours.fileno(), READABLE)

        def serve() -> None:
            ours.recv(1)
            reads.append(log.reads)

        watcher.start(serve)
        for _ in range(10):
            gevent.sleep(0.002)
            before.append(log.reads)
            theirs.send(b"x")
            until(lambda: len(reads) == len(before), "what has come to be served")
        watcher.stop()
        watcher.close()
        assert before[-1] > before[0]
        # Two at a time, each a step of the loop apart.
        assert max(after - sent for sent, after in zip(before, reads, strict=True)) <= 6


def test_who_was_away_too_long_has_nothing_read_that_cannot_be_sent() -> None:
    old = [replace(each, created_at=NOW - timedelta(hours=30)) for each in numbers(1, 5_000)]
    log = ListLog([*old, *numbers(5_001, 5_003)])
    with joining(log, Subscribe(last_event_id=7)) as (client,):
        until(lambda: 5_003 in client.ids(), "the last one")
        assert [each["type"] for each in client.messages()][:2] == ["connection", "resync_required"]
        assert client.messages()[1]["reason"] == "too_old"
        assert client.ids() == [5_001, 5_002, 5_003]
        assert log.reads <= 3


def test_who_was_away_so_long_that_nothing_is_left_to_send_goes_live() -> None:
    log = ListLog([replace(each, created_at=NOW - timedelta(hours=30)) for each in numbers(1, 500)])
    with joining(log, Subscribe(last_event_id=7)) as (client,):
        gevent.sleep(0.05)
        publish(client, log, event(501))
        until(client.ids, "the new one")
        assert client.ids() == [501]


def test_a_client_that_is_gone_when_it_is_answered_has_nothing_read_for_it() -> None:
    log = ListLog(numbers(1, 5))
    client = HubClient(hub_of(log))
    client.socket.close()
    client.connection.subscription.begin(Subscribe(last_event_id=1))
    gevent.sleep(0.02)
    assert not client.connection.is_open
    assert log.reads == 0


def test_a_log_that_cannot_be_read_for_a_moment_is_asked_again() -> None:
    class FailingLog(ListLog):
        def after(self, event_id: int, limit: int) -> Sequence[Event]:
            found = super().after(event_id, limit)
            if self.reads in {1, 3}:
                raise StorageUnavailableError("away")
            return found

    with joining(FailingLog(numbers(1, 5)), EVERYTHING) as (client,):
        until(lambda: 5 in client.ids(), "the last one")
        assert client.ids() == [1, 2, 3, 4, 5]

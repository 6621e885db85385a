"""Rounds of telling: everything once and in order, whatever comes, goes or fails while they are going on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import gevent
import pytest

from app.web.stream_broadcast import Broadcast
from app.web.stream_messages import Filters, Subscribe
from tests.fakes.stream_pair import HubClient, ListLog, all_events, event, hub_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.web.stream_broadcast import Bundle
    from app.web.stream_hub import Hub

# More than are told before others go first, so that there is a middle.
CLIENTS = 250
WAITING_BYTES = 16 * 1024


class Listener:
    """Takes all that it is told, and notes what came together; fails at the event `fails_at`."""

    def __init__(self, fails_at: int = 0) -> None:
        self.writes: list[bytes] = []
        self.has_given_up = False
        self._cursor = 0
        self._fails_at = fails_at

    def deliver(self, bundle: Bundle) -> None:
        if self._fails_at and bundle.last_id >= self._fails_at:
            raise MemoryError
        if frames := bundle.after(self._cursor, None):
            self.writes.append(frames)
        self._cursor = max(self._cursor, bundle.last_id)

    def give_up(self) -> None:
        self.has_given_up = True


def in_the_middle_of_a_round() -> None:
    """Let the round that was begun tell the first hundred, and nobody else."""
    gevent.sleep(0)


def until_all_are_told() -> None:
    # Each round takes a step of the loop for each hundred clients.
    for _ in range(100):
        gevent.sleep(0.0001)


def numbered(number: int) -> bytes:
    return b"%06d" % number


@contextmanager
def clients_of(hub: Hub, count: int = CLIENTS) -> Iterator[list[HubClient]]:
    clients = [HubClient(hub, all_events()) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            client.leave()


@pytest.fixture
def hub() -> Hub:
    return hub_of(ListLog())


def test_everybody_gets_everything_once_and_in_order(hub: Hub) -> None:
    with clients_of(hub) as clients:
        for number in range(1, 51):
            hub.publish(event(number))
            if number % 3:
                in_the_middle_of_a_round()
        until_all_are_told()
        assert all(client.ids() == list(range(1, 51)) for client in clients)


def test_what_comes_during_a_round_goes_along_in_one_write_with_those_who_are_told_late() -> None:
    listeners = [Listener() for _ in range(CLIENTS)]
    broadcast = Broadcast(lambda: listeners)
    broadcast.add(event(1), numbered(1))
    in_the_middle_of_a_round()
    broadcast.add(event(2), numbered(2))
    assert (listeners[0].writes, listeners[-1].writes) == ([numbered(1)], [])
    until_all_are_told()
    assert listeners[0].writes == [numbered(1), numbered(2)]
    assert listeners[-1].writes == [numbered(1) + numbered(2)]


def test_a_burst_bigger_than_what_may_wait_is_waited_with_and_nothing_of_it_is_lost() -> None:
    listeners = [Listener() for _ in range(CLIENTS)]
    broadcast = Broadcast(lambda: listeners)
    frames = [numbered(number) + bytes(2_000) for number in range(1, 201)]
    most_waiting = 0

    def burst() -> None:
        nonlocal most_waiting
        added = 0
        for number, frame in enumerate(frames, 1):
            broadcast.add(event(number), frame)
            added += len(frame)
            most_waiting = max(most_waiting, added - sum(map(len, listeners[-1].writes)))

    gevent.spawn(burst).join(10)
    until_all_are_told()
    assert all(b"".join(each.writes) == b"".join(frames) for each in listeners)
    assert most_waiting <= WAITING_BYTES + len(frames[0])
    assert max(len(write) for each in listeners for write in each.writes) <= WAITING_BYTES + len(frames[0])


def test_an_entry_bigger_than_all_that_may_wait_comes_through() -> None:
    listeners = [Listener() for _ in range(CLIENTS)]
    broadcast = Broadcast(lambda: listeners)
    frames = [numbered(1), bytes(3 * WAITING_BYTES), numbered(3)]

    def burst() -> None:
        for number, frame in enumerate(frames, 1):
            broadcast.add(event(number), frame)

    gevent.spawn(burst).join(10)
    until_all_are_told()
    assert all(b"".join(each.writes) == b"".join(frames) for each in listeners)


def test_without_listeners_nothing_waits_for_any(hub: Hub) -> None:
    for number in range(1, 301):
        hub.publish(event(number, filling="x" * 1_000))
    with clients_of(hub, 1) as (client,):
        hub.publish(event(301))
        until_all_are_told()
        assert client.ids() == [301]


def test_another_log_in_the_middle_of_a_round_loses_and_doubles_nothing_though_its_ids_are_smaller(hub: Hub) -> None:
    with clients_of(hub) as clients:
        hub.publish(event(1_000))
        in_the_middle_of_a_round()
        hub.begin("another log", 3)
        hub.publish(event(4))
        in_the_middle_of_a_round()
        hub.publish(event(5))
        until_all_are_told()
        hub.publish(event(6))
        until_all_are_told()
        assert (clients[0].ids(), clients[-1].ids()) == ([1_000, 4, 5, 6], [4, 5, 6])
        for client in clients:
            since = [each for each in client.messages() if each.get("event_id") != 1_000][1:]
            assert [each["type"] for each in since] == ["resync_required", *["whale_alert"] * 3]
            assert client.ids()[-3:] == [4, 5, 6]


def test_who_subscribes_anew_in_the_middle_of_a_round_is_told_what_came_before_by_the_earlier_wish(hub: Hub) -> None:
    with clients_of(hub) as clients:
        last = clients[-1]
        hub.publish(event(1, status="pending"))
        in_the_middle_of_a_round()
        assert last.ids() == []
        last.connection.subscription.begin(Subscribe(filters=Filters(statuses=["confirmed"])))
        hub.publish(event(2, status="pending"))
        hub.publish(event(3, status="confirmed"))
        until_all_are_told()
        told = [each.get("event_id", each.get("status")) for each in last.messages()]
        assert told == ["subscribed", 1, "subscribed", 3]
        assert clients[0].ids() == [1, 2, 3]


def test_who_comes_in_the_middle_of_a_round_is_told_what_is_published_from_then_on(hub: Hub) -> None:
    with clients_of(hub) as clients:
        hub.publish(event(1))
        in_the_middle_of_a_round()
        late = HubClient(hub, all_events())
        hub.publish(event(2))
        until_all_are_told()
        assert late.ids() == [2]
        assert all(client.ids() == [1, 2] for client in clients)
        late.leave()


def test_who_leaves_in_the_middle_of_a_round_is_not_written_to(hub: Hub) -> None:
    with clients_of(hub) as clients:
        hub.publish(event(1))
        in_the_middle_of_a_round()
        for client in clients[200:]:
            client.leave()
        until_all_are_told()
        assert all(client.ids() == [1] for client in clients[:200])


def test_the_neighbours_of_a_listener_that_fails_are_told() -> None:
    listeners = [Listener(), Listener(fails_at=2), Listener()]
    broadcast = Broadcast(lambda: listeners)
    for number in (1, 2, 3):
        broadcast.add(event(number), numbered(number))
        until_all_are_told()
    assert [each.has_given_up for each in listeners] == [False, True, False]
    everything = [numbered(1), numbered(2), numbered(3)]
    assert [each.writes for each in listeners] == [everything, everything[:1], everything]


def test_a_client_whose_wish_cannot_be_judged_is_closed_with_1011_and_its_neighbours_are_told(hub: Hub) -> None:
    with clients_of(hub) as clients:
        clients[1].connection.subscription.begin(Subscribe(filters=Filters(min_btc=5)))
        hub.publish(event(1, btc_value="many"))
        hub.publish(event(2, btc_value=7))
        until_all_are_told()
        assert clients[1].close_code() == 1011
        others = [client for client in clients if client is not clients[1]]
        assert all(client.ids() == [1, 2] for client in others)


def test_filters_are_kept_apart_when_several_events_go_together(hub: Hub) -> None:
    with clients_of(hub, 2) as (everything, large):
        large.connection.subscription.begin(Subscribe(filters=Filters(min_btc=5)))
        for number in range(1, 11):
            hub.publish(event(number, btc_value=number))
        until_all_are_told()
        assert everything.ids() == list(range(1, 11))
        assert large.ids() == list(range(5, 11))


def test_who_lags_a_little_may_change_its_wish_in_the_midst_of_a_burst(hub: Hub) -> None:
    number = 0
    with clients_of(hub, 1) as (client,):
        while client.outbox.waiting_bytes < 2_000:
            number += 1
            hub.publish(event(number, filling="x" * 900))
            until_all_are_told()
        for _ in range(WAITING_BYTES // 1_000):
            number += 1
            hub.publish(event(number, filling="x" * 900))
        client.connection.subscription.begin(Subscribe())
        received: list[int] = []
        while len(received) < number and client.close_code() is None:
            until_all_are_told()
            received = client.ids()
        assert received == list(range(1, number + 1))

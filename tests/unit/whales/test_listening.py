"""Where a stream is looked for, and what is said when none is found."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

import pytest

from app.services.whales.listening import AUTO, Listening, stream_addresses
from app.services.whales.mempool_node import Heard, StreamAddressError, Topic
from tests.fakes.whale_clock import SimulatedClock
from tests.fakes.whale_node import SimulatedNode

HERE, ELSEWHERE, NOWHERE = "tcp://127.0.0.1:1", "tcp://127.0.0.1:2", "tcp://127.0.0.1:*"


class Stream:
    """A connection that comes about at once, or never."""

    def __init__(self, *, is_connected: bool) -> None:
        self.is_connected = is_connected
        self.is_closed = False

    def receive(self, _timeout_seconds: float, _most: int) -> Sequence[Heard]:
        return [Heard(Topic.LOST, b"", 0)]

    def close(self) -> None:
        self.is_closed = True


class Watch:
    """Somebody who listens to wherever `published` is at the moment.

    Attributes:
        opened: Where a stream was opened, in order.
        asked: How often the node was asked.
    """

    def __init__(self, *published: str, is_wanted: bool = True) -> None:
        self.clock = SimulatedClock()
        self.published: Collection[str] = published
        self.is_connected = False
        self.opened: list[Collection[str]] = []
        self.streams: list[Stream] = []
        self.asked = 0
        self.listening = Listening(
            self._addresses, self._listen, self.clock.clocks, self.clock.advance, is_wanted=is_wanted
        )

    def listen(self, seconds: float = 60) -> Sequence[Heard]:
        """Listen for so long; return what was heard last."""
        until_seconds = self.clock.seconds() + seconds
        heard: Sequence[Heard] = []
        while self.clock.seconds() < until_seconds:
            heard = self.listening.receive(1, 10)
            self.clock.advance(1)
        return heard

    def _addresses(self) -> Collection[str]:
        self.asked += 1
        return self.published

    def _listen(self, addresses: Collection[str]) -> Stream:
        if NOWHERE in addresses:
            raise StreamAddressError(f"{NOWHERE} is no address to connect to")
        self.opened.append(addresses)
        self.streams.append(Stream(is_connected=self.is_connected))
        return self.streams[-1]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_stream_that_is_off_is_neither_looked_for_nor_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(is_wanted=False)
    assert watch.listen() == []
    assert watch.asked == 0
    assert warnings(caplog) == []


def test_a_node_that_publishes_nothing_is_asked_again_and_again_and_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = Watch()
    watch.listen()
    assert watch.asked == 4
    assert len(warnings(caplog)) == 1
    watch.published = [HERE]
    assert watch.listen() == [Heard(Topic.LOST, b"", 0)]
    watch.published = []
    watch.listen()
    assert len(warnings(caplog)) == 2
    assert watch.streams[0].is_closed


def test_an_address_that_is_none_is_no_stream_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(NOWHERE)
    assert watch.listen() == []
    assert not watch.listening.is_connected
    (record,) = caplog.records
    assert NOWHERE in vars(record)["reason"]
    watch.published = [HERE]
    watch.listen()
    assert watch.opened == [[HERE]]


def test_where_it_was_is_listened_to_without_a_new_connection_until_it_is_elsewhere() -> None:
    watch = Watch(HERE)
    watch.listen()
    watch.published = [ELSEWHERE]
    watch.listen()
    assert watch.opened == [(HERE,), [ELSEWHERE]]
    assert [stream.is_closed for stream in watch.streams] == [True, False]


def test_while_there_is_a_connection_nobody_is_asked() -> None:
    watch = Watch(HERE)
    watch.is_connected = True
    watch.listen()
    assert watch.asked == 1


def test_one_topic_without_the_other_is_no_stream() -> None:
    node = SimulatedNode(SimulatedClock())
    found = stream_addresses(node, {"rawtx": AUTO, "sequence": HERE})
    assert found == [node.stream_addresses()["rawtx"], HERE]
    assert stream_addresses(node, {"rawtx": AUTO, "another": AUTO}) == []

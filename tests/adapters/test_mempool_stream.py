"""What is heard of a publisher of the tests' own, with the faults that the node's seldom has."""

from __future__ import annotations

import logging

import pytest

from app.adapters.mempool_stream import ZmqMempoolStream
from app.services.whales.mempool_node import Heard, StreamAddressError, Topic
from tests.adapters.stream_listener import CONNECTION_BEGINS, hear, hear_until, listening
from tests.fakes.zmq_publisher import Publisher, publishing

HASH = bytes(range(32))
NUMBER = (2**40 + 7).to_bytes(8, "little")
RAW = Heard(Topic.RAW, b"a transaction", 0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def goes_on(self, seconds: float) -> bool:
        self.now += seconds
        return True


def test_each_message_says_what_it_is_about() -> None:
    with publishing() as node, listening(node.address) as stream:
        node.raw(RAW.body)
        for letter in (b"A" + NUMBER, b"R" + NUMBER, b"C", b"D"):
            node.send(b"sequence", HASH + letter)
        assert hear(stream, 5) == [
            RAW,
            Heard(Topic.ADDED, HASH, 2**40 + 7),
            Heard(Topic.REMOVED, HASH, 2**40 + 7),
            Heard(Topic.CONNECTED, HASH, 0),
            Heard(Topic.DISCONNECTED, HASH, 0),
        ]


def test_other_topics_are_not_heard() -> None:
    with publishing() as node, listening(node.address) as stream:
        node.send(b"hashtx", HASH)
        node.send(b"rawblock", bytes(1000))
        node.raw(RAW.body)
        assert hear(stream, 1) == [RAW]


def test_no_more_is_given_than_asked_for_and_the_rest_later() -> None:
    with publishing() as node, listening(node.address) as stream:
        for number in range(5):
            node.added(HASH, number)
        given = [stream.receive(5, 2) for _ in range(3)]
        assert all(len(each) <= 2 for each in given)
        later = hear(stream, 5 - sum(map(len, given)))
        assert [each.sequence for part in (*given, later) for each in part] == [0, 1, 2, 3, 4]


def test_nothing_comes_when_nothing_was_sent() -> None:
    with publishing() as node, listening(node.address) as stream:
        assert stream.receive(0, 10) == []
        assert stream.receive(0.01, 10) == []


def test_two_addresses_are_listened_to_and_one_alone_is_not_enough() -> None:
    with publishing() as first, publishing() as second:
        second.shut()
        stream = ZmqMempoolStream([first.address, second.address])
        try:
            first.counters[b"rawtx"] = 10
            first_heard: list[Heard] = []
            while not first_heard:
                first.raw(RAW.body)
                first_heard = list(stream.receive(0.1, 1))
            assert not stream.is_connected
            second.open()
            assert CONNECTION_BEGINS in hear_until(stream, lambda _: stream.is_connected)
            second.added(HASH, 3)
            assert hear(stream, 1) == [Heard(Topic.ADDED, HASH, 3)]
        finally:
            stream.close()


@pytest.mark.parametrize(
    ("last", "following", "missing"),
    [(7, 8, None), (2**32 - 1, 0, None), (7, 9, 1), (7, 1007, 999), (2**32 - 3, 4, 6), (7, 7, 0), (7, 0, 0), (7, 5, 0)],
    ids=["next", "wraps", "one missing", "many", "across the wrap", "repeated", "from zero", "back"],
)
def test_a_gap_in_the_counter_is_heard_before_the_message_behind_it(
    last: int, following: int, missing: int | None
) -> None:
    with publishing() as node, listening(node.address) as stream:
        for number in (last, following):
            node.counters[b"rawtx"] = number
            node.raw(RAW.body)
        lost = [] if missing is None else [Heard(Topic.LOST, b"", missing)]
        assert hear(stream, 2 + len(lost)) == [RAW, *lost, RAW]


def test_each_topic_has_its_own_counter() -> None:
    with publishing() as node, listening(node.address) as stream:
        node.counters[b"rawtx"] = 100
        for _ in range(3):
            node.raw(RAW.body)
            node.added(HASH, 1)
        assert Topic.LOST not in {each.topic for each in hear(stream, 6)}


def test_a_burst_that_no_queue_holds_is_lost_with_its_number() -> None:
    burst = 20_000
    with publishing(queue_messages=10) as node, listening(node.address, queue_messages=10) as stream:
        node.raw(b"the first")
        for _ in range(burst):
            node.raw(bytes(200))
        heard = [each for some in iter(lambda: list(stream.receive(0.2, 1000)), []) for each in some]
        node.raw(b"the last")
        heard += hear_until(stream, lambda heard: any(each.body == b"the last" for each in heard))
        lost = sum(each.sequence for each in heard if each.topic is Topic.LOST)
        received = sum(each.topic is Topic.RAW for each in heard)
        assert lost > burst // 2
        assert received + lost == burst + 2


@pytest.mark.parametrize(
    "frames",
    [
        (b"rawtx",),
        (b"rawtx", b"body"),
        (b"rawtx", b"body", bytes(3)),
        (b"rawtx", b"body", bytes(8)),
        (b"rawtx", b"body", bytes(4), b"more"),
        (b"rawtx", b"body", bytes(4), b"more", b"and more"),
        (b"rawtxs", b"body", bytes(4)),
        (b"sequence", b"", bytes(4)),
        (b"sequence", HASH, bytes(4)),
        (b"sequence", HASH + b"X", bytes(4)),
        (b"sequence", HASH + b"X" + NUMBER, bytes(4)),
        (b"sequence", HASH + b"A", bytes(4)),
        (b"sequence", HASH + b"C" + NUMBER, bytes(4)),
        (b"sequence", HASH + b"A" + NUMBER + b"0", bytes(4)),
    ],
    ids=str,
)
def test_a_malformed_message_counts_as_lost_and_is_logged_once(
    frames: tuple[bytes, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with publishing() as node, listening(node.address) as stream, caplog.at_level(logging.WARNING):
        for _ in range(2):
            node.send_frames(*frames)
        # The first of these may be taken for the rest of one that was too short.
        for _ in range(2):
            node.raw(RAW.body)
        heard = hear_until(stream, lambda heard: RAW in heard)
        before = heard[: heard.index(RAW)]
        assert {each.topic for each in before} == {Topic.LOST}
        assert before[0] == Heard(Topic.LOST, b"", 0)
        assert len(caplog.records) == 1
        assert "are the addresses right?" in caplog.text


def test_a_publisher_that_goes_away_and_comes_back_is_noticed() -> None:
    with publishing() as node, listening(node.address) as stream:
        node.raw(RAW.body)
        assert hear(stream, 1) == [RAW]
        node.shut()
        assert hear_until(stream, lambda _: not stream.is_connected) == []
        node.counters.clear()
        node.open()
        assert hear_until(stream, lambda _: stream.is_connected) == [CONNECTION_BEGINS]
        node.raw(RAW.body)
        assert hear(stream, 1) == [RAW]


def test_what_waits_when_the_publisher_goes_away_is_still_heard() -> None:
    with publishing() as node, listening(node.address) as stream:
        for number in range(100):
            node.added(HASH, number)
        first = list(stream.receive(5, 1))
        node.shut(linger_milliseconds=10_000)
        first += hear_until(stream, lambda _: not stream.is_connected)
        assert [each.sequence for each in first] == list(range(100))


def test_a_connection_that_broke_the_protocol_is_made_anew_after_a_while() -> None:
    clock = Clock()
    with publishing() as node:
        stream = ZmqMempoolStream([node.address], clock=clock)
        try:
            hear_until(stream, lambda _: clock.goes_on(1) and stream.is_connected)
            node.raw(bytes(4_000_000))
            assert len(hear(stream, 1)[0].body) == 4_000_000
            # Larger than any transaction: it is not kept.
            node.raw(bytes(4_000_001))
            assert hear_until(stream, lambda _: not stream.is_connected) == []
            assert hear_until(stream, lambda _: clock.goes_on(1) and stream.is_connected) == [CONNECTION_BEGINS]
            node.raw(RAW.body)
            assert hear(stream, 1) == [RAW]
        finally:
            stream.close()


def test_silence_is_measured_from_the_last_message_and_first_from_the_beginning() -> None:
    clock = Clock()
    with publishing() as node:
        stream = ZmqMempoolStream([node.address], clock=clock)
        try:
            clock.now = 5
            assert stream.silent_seconds == 5
            assert hear_until(stream, lambda _: clock.goes_on(1) and stream.is_connected) == [CONNECTION_BEGINS]
            assert stream.silent_seconds == clock.now
            node.raw(RAW.body)
            assert hear(stream, 1) == [RAW]
            assert stream.silent_seconds == 0
            clock.now += 3
            assert stream.receive(0, 1) == []
            assert stream.silent_seconds == 3
        finally:
            stream.close()


def test_nothing_over_a_new_connection_is_given_before_it_is_said_to_begin() -> None:
    clock = Clock()
    with publishing() as node:
        stream = ZmqMempoolStream([node.address], clock=clock)
        try:
            _send_until_it_arrives(node, stream)
            assert stream.receive(0.05, 1000) == []
            assert not stream.is_connected
            clock.now += 1
            first, second, *_ = stream.receive(0, 1000)
            assert (first, second) == (CONNECTION_BEGINS, RAW)
            assert stream.is_connected
        finally:
            stream.close()


def _send_until_it_arrives(node: Publisher, stream: ZmqMempoolStream) -> None:
    """Send long enough that a subscriber which may read would have read."""
    for _ in range(20):
        node.raw(RAW.body)
        assert stream.receive(0.05, 1000) == []


def test_an_address_that_nothing_can_be_heard_at_is_named() -> None:
    with pytest.raises(StreamAddressError, match=r"tcp://127\.0\.0\.1:\* is no address to connect to \(Invalid"):
        ZmqMempoolStream(["tcp://127.0.0.1:28332", "tcp://127.0.0.1:*"])

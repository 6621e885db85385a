"""What tests of the stream listen with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.adapters.mempool_stream import QUEUE_MESSAGES, ZmqMempoolStream
from app.services.whales.mempool_node import Heard, Topic

CONNECTION_BEGINS = Heard(Topic.LOST, b"", 0)
_PATIENCE_SECONDS = 30


@contextmanager
def listening(*addresses: str, queue_messages: int = QUEUE_MESSAGES) -> Iterator[ZmqMempoolStream]:
    """Listen to `addresses` from the moment on at which everything that is sent is heard."""
    stream = ZmqMempoolStream(addresses, queue_messages=queue_messages)
    try:
        assert hear_until(stream, lambda _: stream.is_connected) == [CONNECTION_BEGINS]
        yield stream
    finally:
        stream.close()


def hear(stream: ZmqMempoolStream, count: int) -> list[Heard]:
    """Return the next `count` messages, LOST among them; fail when more have come with them."""
    heard = hear_until(stream, lambda heard: len(heard) >= count)
    assert len(heard) == count, heard
    return heard


def hear_until(stream: ZmqMempoolStream, is_enough: Callable[[list[Heard]], bool]) -> list[Heard]:
    heard: list[Heard] = []
    ends_at = time.monotonic() + _PATIENCE_SECONDS
    while not is_enough(heard):
        assert time.monotonic() < ends_at, heard
        heard += stream.receive(0.1, 1000)
    return heard

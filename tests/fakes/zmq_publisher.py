"""A ZMQ publisher as bitcoind is one, for faults that it does not have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import zmq

from tests.node.bitcoind import free_port


class Publisher:
    """Publishes at `address` until it is closed; can be opened again there.

    Attributes:
        counters: The number of the next message, by topic.
    """

    def __init__(self, queue_messages: int = 100_000) -> None:
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.counters: Counter[bytes] = Counter()
        self._queue_messages = queue_messages
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.open()

    def open(self) -> None:
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, self._queue_messages)
        # Little is on the way that neither end has in its queue.
        self._socket.setsockopt(zmq.SNDBUF, 4096)
        self._socket.bind(self.address)

    def shut(self, linger_milliseconds: int = 0) -> None:
        """Stop to publish, and hang up when that was sent which is on the way, or after that time."""
        self._socket.close(linger=linger_milliseconds)

    def raw(self, body: bytes) -> None:
        self.send(b"rawtx", body)

    def added(self, txid: bytes, number: int) -> None:
        self.send(b"sequence", txid + b"A" + number.to_bytes(8, "little"))

    def send(self, topic: bytes, body: bytes) -> None:
        self.send_frames(topic, body, self.counters[topic].to_bytes(4, "little"))
        self.counters[topic] = (self.counters[topic] + 1) % 2**32

    def send_frames(self, *frames: bytes) -> None:
        self._socket.send_multipart(frames)

    def close(self) -> None:
        self.shut()
        self._context.term()


@contextmanager
def publishing(queue_messages: int = 100_000) -> Iterator[Publisher]:
    publisher = Publisher(queue_messages)
    try:
        yield publisher
    finally:
        publisher.close()

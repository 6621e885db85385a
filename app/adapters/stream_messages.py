"""What bitcoind publishes by ZMQ, frame by frame (doc/zmq.md of Bitcoin Core)."""

from __future__ import annotations

from app.services.whales.mempool_node import Heard, Topic

RAWTX, SEQUENCE = b"rawtx", b"sequence"

_HASH_BYTES, _COUNTER_BYTES = 32, 4

# Of a `sequence`: what the letter after the hash says, with a number of the mempool behind it or without one.
_OF_THE_MEMPOOL = {b"A"[0]: Topic.ADDED, b"R"[0]: Topic.REMOVED}
_OF_A_BLOCK = {b"C"[0]: Topic.CONNECTED, b"D"[0]: Topic.DISCONNECTED}
_BLOCK_BYTES, _MEMPOOL_BYTES = _HASH_BYTES + 1, _HASH_BYTES + 1 + 8

_COUNTERS = 2**32


class MalformedMessageError(Exception):
    """What was published is not what bitcoind publishes."""


def heard_of(topic: bytes, body: bytes) -> Heard:
    """Return what a message says; raise MalformedMessageError when it is not one of bitcoind.

    Whether the body of `rawtx` is a transaction is not looked at.
    """
    if topic == RAWTX:
        return Heard(Topic.RAW, body, 0)
    if topic == SEQUENCE:
        # The hash is in display order already.
        if len(body) == _MEMPOOL_BYTES and (about := _OF_THE_MEMPOOL.get(body[_HASH_BYTES])):
            return Heard(about, body[:_HASH_BYTES], int.from_bytes(body[_HASH_BYTES + 1 :], "little"))
        if len(body) == _BLOCK_BYTES and (about := _OF_A_BLOCK.get(body[_HASH_BYTES])):
            return Heard(about, body[:_HASH_BYTES], 0)
    raise MalformedMessageError


class Counters:
    """The counter that bitcoind sends with each message, by topic, from which alone a loss is seen."""

    def __init__(self) -> None:
        self._next: dict[bytes, int] = {}

    def missing(self, topic: bytes, counter: bytes) -> int | None:
        """Return how many messages are missing before this one: 0 when nobody can tell, None when none is.

        A counter that goes back is that of a node which was started again. MalformedMessageError: it is no counter.
        """
        if len(counter) != _COUNTER_BYTES:
            raise MalformedMessageError
        number = int.from_bytes(counter, "little")
        expected = self._next.get(topic, number)
        self._next[topic] = (number + 1) % _COUNTERS
        if number == expected:
            return None
        ahead = (number - expected) % _COUNTERS
        return ahead if ahead < _COUNTERS // 2 else 0

    def forget(self) -> None:
        """Expect no number: the next message of each topic is the first."""
        self._next.clear()

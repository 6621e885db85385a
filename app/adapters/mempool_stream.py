"""The node's mempool as it happens, by ZMQ."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import zmq

from app.adapters.stream_connections import SETTLE_SECONDS, StreamConnections
from app.adapters.stream_messages import RAWTX, SEQUENCE, Counters, MalformedMessageError, heard_of
from app.services.whales.mempool_node import Heard, StreamAddressError, Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

# As many as the role `node` lets bitcoind keep for us. Half a second without reading, in a burst of 20,000, lost half
# of it at ZMQ's default of 1,000. A block's transactions all come at once, and again when it is disconnected.
QUEUE_MESSAGES = 100_000

# No transaction is larger than a block.
_MAX_MESSAGE_BYTES = 4_000_000

_RECONNECT_MILLISECONDS = (100, 2_000)
_CONNECT_MILLISECONDS = 5_000
# A host that went away without a word is noticed within two minutes.
_KEEPALIVE_IDLE_SECONDS, _KEEPALIVE_INTERVAL_SECONDS, _KEEPALIVE_PROBES = 60, 15, 4

# To wake up for every message costs five times as much as to receive it. Nobody notices that an alert is this much
# later, and two thousand transactions a second come four messages at a time.
_GATHER_SECONDS = 0.001

# How many, nobody can tell.
_LOST_SOME = Heard(Topic.LOST, b"", 0)

_NOW = int(zmq.NOBLOCK)

_log = logging.getLogger(__name__)


class ZmqMempoolStream:
    """`rawtx` and `sequence` of one bitcoind; a MempoolStream.

    Each time that everything is connected anew, the first time included, LOST is heard: what was sent before was not.
    So a snapshot that is taken after a LOST, and what is heard after it, leave no gap.

    Not for several threads.
    """

    def __init__(
        self,
        addresses: Collection[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        queue_messages: int = QUEUE_MESSAGES,
    ) -> None:
        """Begin to connect, and go on trying.

        Args:
            addresses: Where `rawtx` and `sequence` are published, such as tcp://127.0.0.1:28332; often one and the
                same. Heard in order is what comes from one address.
            clock: Seconds that only grow.
            queue_messages: How many may wait to be received.

        Raises:
            StreamAddressError: One of them is none.
        """
        distinct = tuple(dict.fromkeys(addresses))
        self._context = zmq.Context()
        self._socket = _subscriber(self._context, queue_messages)
        self._socket.setsockopt(zmq.IPV6, int(any("[" in address for address in distinct)))
        try:
            self._connections = StreamConnections(self._socket, distinct, clock)
        except StreamAddressError:
            self._close_socket()
            raise
        self._counters = Counters()
        self._clock = clock
        self._heard_at = clock()
        self._timeout_milliseconds = 0
        self._is_warned = False

    @property
    def is_connected(self) -> bool:
        """Whether, as of the last `receive`, there was a connection to every address and LOST was said of it."""
        return self._connections.is_complete

    @property
    def silent_seconds(self) -> float:
        """How long ago the last message was received; without any, when this began to listen."""
        return self._clock() - self._heard_at

    def receive(self, timeout_seconds: float, most: int) -> Sequence[Heard]:
        """Return what has come, up to `most` messages, and a LOST before each gap; empty when nothing comes in time.

        Waits for the first one up to `timeout_seconds`; not as long while connections begin and end.
        """
        timeout_milliseconds = round(timeout_seconds * 1000)
        if not self._connections.is_complete:
            self._wait_for_connections(timeout_milliseconds)
            timeout_milliseconds = 0
        self._connections.look()
        heard: list[Heard] = []
        # What comes over a new connection is left alone until LOST can be said before it.
        if self._connections.is_settling:
            return heard
        if self._connections.take_begin():
            self._counters.forget()
            heard.append(_LOST_SOME)
            timeout_milliseconds = 0
        self._read(heard, most, timeout_milliseconds)
        return heard

    def close(self) -> None:
        """Listen no longer."""
        self._connections.close()
        self._close_socket()

    def _close_socket(self) -> None:
        self._socket.close(linger=0)
        self._context.term()

    def _wait_for_connections(self, milliseconds: int) -> None:
        waited_for = [(self._connections.monitor, zmq.POLLIN)]
        if self._connections.is_settling:
            milliseconds = min(milliseconds, round(SETTLE_SECONDS * 1000))
        else:
            waited_for.append((self._socket, zmq.POLLIN))
        zmq.zmq_poll(waited_for, milliseconds)

    def _read(self, heard: list[Heard], most: int, timeout_milliseconds: int) -> None:
        known = len(heard)
        flags = self._waiting(timeout_milliseconds)
        try:
            while len(heard) < most:
                self._hear(heard, flags)
                if flags != _NOW:
                    time.sleep(_GATHER_SECONDS)
                    flags = _NOW
        except zmq.Again:
            pass
        if len(heard) > known:
            self._heard_at = self._clock()

    def _waiting(self, milliseconds: int) -> int:
        """Return the flags for a message that is waited for; to poll for it first takes thrice as long."""
        if milliseconds <= 0:
            return _NOW
        if milliseconds != self._timeout_milliseconds:
            self._socket.set(zmq.RCVTIMEO, milliseconds)
            self._timeout_milliseconds = milliseconds
        return 0

    def _hear(self, heard: list[Heard], flags: int) -> None:
        """Append the next message, with a LOST before it where some are missing; raise zmq.Again when none comes."""
        topic = self._socket.recv(flags)
        try:
            body, counter = self._rest()
            lost = self._counters.missing(topic, counter)
            if lost is not None:
                heard.append(Heard(Topic.LOST, b"", lost))
            heard.append(heard_of(topic, body))
        except MalformedMessageError:
            self._warn()
            heard.append(_LOST_SOME)

    def _rest(self) -> tuple[bytes, bytes]:
        """Return the other two frames of a message, which come with the first; MalformedMessageError: it has not three.

        As the library's recv_multipart, in a third of its time: that asks after each frame whether there are more. What
        follows one that is too short is taken for the rest of it, and is lost with it.
        """
        receive = self._socket.recv
        try:
            body, last = receive(_NOW), receive(_NOW, copy=False)
        except zmq.Again:
            raise MalformedMessageError from None
        if not (has_more := last.more):
            return body, last.bytes
        while has_more:
            has_more = receive(_NOW, copy=False).more
        raise MalformedMessageError

    def _warn(self) -> None:
        if not self._is_warned:
            self._is_warned = True
            _log.warning("what is published is not bitcoind's rawtx or sequence; are the addresses right?")


def _subscriber(context: zmq.Context[zmq.Socket[bytes]], queue_messages: int) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.SUB)
    for option, value in (
        (zmq.RCVHWM, queue_messages),
        (zmq.MAXMSGSIZE, _MAX_MESSAGE_BYTES),
        (zmq.RECONNECT_IVL, _RECONNECT_MILLISECONDS[0]),
        (zmq.RECONNECT_IVL_MAX, _RECONNECT_MILLISECONDS[1]),
        (zmq.CONNECT_TIMEOUT, _CONNECT_MILLISECONDS),
        (zmq.TCP_KEEPALIVE, 1),
        (zmq.TCP_KEEPALIVE_IDLE, _KEEPALIVE_IDLE_SECONDS),
        (zmq.TCP_KEEPALIVE_INTVL, _KEEPALIVE_INTERVAL_SECONDS),
        (zmq.TCP_KEEPALIVE_CNT, _KEEPALIVE_PROBES),
    ):
        socket.setsockopt(option, value)
    for topic in (RAWTX, SEQUENCE):
        socket.subscribe(topic)
    return socket

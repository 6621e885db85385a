"""Whether a ZMQ socket is connected, as its monitor tells."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import zmq

from app.services.whales.mempool_node import StreamAddressError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

# A publisher learns what we subscribe to a moment after the handshake, and says nothing about it. What is sent within
# that moment is not heard: on loopback it takes well under a millisecond.
SETTLE_SECONDS = 0.1

# ZMQ connects again by itself when a connection ends, but never after it was told something that is not its protocol,
# or more than it may be: by whoever had the port while the node was away.
RENEW_SECONDS = 10

_EVENTS = zmq.Event.HANDSHAKE_SUCCEEDED | zmq.Event.DISCONNECTED
# Number of the event, and a value that depends on it.
_EVENT = struct.Struct("=HI")


class StreamConnections:
    """Connects a socket to several addresses, for as long as it takes; raises StreamAddressError for one that is none.

    Attributes:
        monitor: Can be read when something has happened.
        is_complete: Whether all are connected, and heard.
    """

    def __init__(self, socket: zmq.Socket[bytes], addresses: Collection[str], clock: Callable[[], float]) -> None:
        self.monitor = _monitor_of(socket)
        self.is_complete = False
        self._socket = socket
        self._addresses = addresses
        self._clock = clock
        self._connected: set[str] = set()
        self._settles_at: float | None = None
        self._renews_at = clock() + RENEW_SECONDS
        for address in addresses:
            try:
                socket.connect(address)
            except zmq.ZMQError as error:
                self.close()
                reason = zmq.strerror(error.errno or 0)
                raise StreamAddressError(f"{address} is no address to connect to ({reason})") from error

    def look(self) -> None:
        """Take note of what has happened; does not wait."""
        while int(self.monitor.get(zmq.EVENTS)) & zmq.POLLIN:
            event, address = self.monitor.recv_multipart()
            number, _ = _EVENT.unpack(event)
            self._happened(number, address.decode())
        if not self._is_connected and self._clock() >= self._renews_at:
            self._renew()

    @property
    def _is_connected(self) -> bool:
        return len(self._connected) == len(self._addresses)

    @property
    def is_settling(self) -> bool:
        """Whether all are connected, and perhaps not yet heard."""
        return self._settles_at is not None and self._clock() < self._settles_at

    def take_begin(self) -> bool:
        """Return True once for each time that all came to be connected and heard."""
        if self._settles_at is None or self.is_settling:
            return False
        self._settles_at = None
        self.is_complete = True
        return True

    def close(self) -> None:
        """Follow them no longer."""
        self._socket.disable_monitor()
        self.monitor.close(linger=0)

    def _happened(self, event: int, address: str) -> None:
        self.is_complete = False
        if event == zmq.Event.DISCONNECTED:
            self._connected.discard(address)
            self._settles_at = None
            self._renews_at = self._clock() + RENEW_SECONDS
            return
        self._connected.add(address)
        if self._is_connected:
            self._settles_at = self._clock() + SETTLE_SECONDS

    def _renew(self) -> None:
        self._renews_at = self._clock() + RENEW_SECONDS
        for address in set(self._addresses) - self._connected:
            with suppress(zmq.ZMQError):
                self._socket.disconnect(address)
            self._socket.connect(address)


def _monitor_of(socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
    # It is of the kind of `socket`, which its annotation does not know.
    monitor: zmq.Socket[bytes] = socket.get_monitor_socket(_EVENTS)
    return monitor

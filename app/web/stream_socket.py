"""The socket of one client: WebSocket frames come in, ready-made ones go out, and the end is orderly."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Ping
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from app.web.stream_outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wsproto import WSConnection
    from wsproto.events import Event as Frame

    from app.web.close_codes import Close

_READABLE = 1
_CHUNK_BYTES = 4096
_REASON_BYTES = 120
_KERNEL_BYTES = 64 * 1024


class BadFrameError(Exception):
    """The client sent bytes that are no frames; nothing further that it sends can be understood."""


class ClientSocket:
    """Read by one greenlet; `send` and `close` are for everybody and never wait.

    Args:
        client: The accepted socket; closing it is for the caller, after `release`.
        websocket: Its protocol state, after the handshake.
        backlog_bytes: That may wait to be sent.
        on_overflow: Called when more would have to.
    """

    def __init__(
        self, client: socket.socket, websocket: WSConnection, backlog_bytes: int, on_overflow: Callable[[], None]
    ) -> None:
        # Left to itself the kernel would hold megabytes for a client that does not read.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._descriptor = client.fileno()
        self._websocket = websocket
        self._awake = Event()
        self._readable = gevent.get_hub().loop.io(self._descriptor, _READABLE)
        self.outbox = Outbox(self._descriptor, backlog_bytes, on_overflow, self._vanish)
        self._is_closing = self._is_gone = self._is_garbled = False

    @property
    def is_open(self) -> bool:
        """Return whether neither side has ended it."""
        return not (self._is_closing or self._is_gone)

    def ping(self) -> None:
        """Ask the client for a sign of life, as long as it is open."""
        if self.is_open:
            self.outbox.send(self._websocket.send(Ping()))

    def pong(self, ping: Ping) -> None:
        """Give one, as long as it is open."""
        if self.is_open:
            self.outbox.send(self._websocket.send(ping.response()))

    def close(self, code: Close, reason: str) -> None:
        """Send the close frame and nothing after it."""
        if self._is_closing:
            return
        self._is_closing = True
        short = reason.encode()[:_REASON_BYTES].decode(errors="ignore")
        with suppress(LocalProtocolError):
            self.outbox.finish(self._websocket.send(CloseConnection(code, short)))
        self._awake.set()

    def frames(self, timeout_seconds: float) -> Iterator[Frame]:
        """Yield what comes next, if anything does within `timeout_seconds` and before a `close`.

        Raises:
            BadFrameError: What comes is no frame.
        """
        data = self._read(timeout_seconds)
        if not data:
            return
        try:
            self._websocket.receive_data(data)
            for frame in self._websocket.events():
                if isinstance(frame, CloseConnection):
                    self._answer(frame)
                elif self.is_open:
                    yield frame
        except RemoteProtocolError as error:
            self._is_garbled = True
            raise BadFrameError(str(error)) from error

    def linger(self, seconds: float) -> None:
        """Wait until the client has read the close frame: to close on unread input would take it back."""
        until = time.monotonic() + seconds
        self._is_gone = self._is_gone and not self.outbox.waiting_bytes
        while not self._is_gone and time.monotonic() < until:
            self._is_gone |= self._is_answered(self._read(until - time.monotonic()))

    def release(self) -> None:
        """Let go of the socket."""
        self.outbox.close()
        self._readable.stop()
        self._readable.close()

    def _vanish(self) -> None:
        self._is_gone = True
        self._awake.set()

    def _read(self, timeout_seconds: float) -> bytes:
        try:
            data = os.read(self._descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            self._readable.start(self._awake.set)
            self._awake.wait(max(0.0, timeout_seconds))
            self._awake.clear()
            self._readable.stop()
            return b""
        except OSError:
            data = b""
        if not data:
            self._is_gone = True
        # A client that never stops sending must not keep the others waiting.
        gevent.sleep(0)
        return data

    def _answer(self, frame: CloseConnection) -> None:
        if self._websocket.state in {ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING}:
            # Not the client's: the library gave up on what it read.
            self._is_garbled = True
            raise BadFrameError(frame.reason or "what came is no WebSocket frame")
        if not self._is_closing:
            self.outbox.finish(self._websocket.send(frame.response()))
        self._is_closing = self._is_gone = True

    def _is_answered(self, data: bytes) -> bool:
        """Return whether the client's close frame is in `data`; everything else is dropped."""
        # The library would keep all that comes after a bad frame, and the client may send without end.
        if not data or self._is_garbled or self._websocket.state is not ConnectionState.LOCAL_CLOSING:
            return False
        with suppress(RemoteProtocolError):
            self._websocket.receive_data(data)
            return any(isinstance(frame, CloseConnection) for frame in self._websocket.events())
        return False

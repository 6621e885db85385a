"""The socket of one client: WebSocket frames come in, ready-made ones go out, and the end is orderly."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, cast

import gevent
from wsproto.frame_protocol import Opcode, ParseFailed

from app.web.stream_frames import PING, FrameReader, close_frame, pong_frame
from app.web.stream_outbox import Outbox, Sender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsproto.frame_protocol import Frame

    from app.web.close_codes import Close

_READABLE = 1
_CHUNK_BYTES = 4096
# The kernel takes twice that, since it counts what it needs beside the bytes.
_KERNEL_BYTES = 32 * 1024
_RELEASED = -1


class BadFrameError(Exception):
    """The client sent bytes that are no frames; nothing further that it sends can be understood."""


def take_over(accepted: socket.socket) -> int:
    """Return the descriptor of an accepted socket, which is from now on for the caller to close."""
    # Left to itself the kernel would hold megabytes for a client that does not read.
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    accepted.setblocking(False)  # noqa: FBT003 - the standard library's way
    return accepted.detach()


class Owner(Sender, Protocol):
    """Whose socket it is."""

    def read(self) -> None:
        """Take what there is to read; called while there is something, from `listen` until `pause`."""


class ClientSocket:
    """Served by the loop: nothing here waits.

    Args:
        descriptor: Non-blocking; `release` closes it.
        backlog_bytes: That may wait to be sent.
        owner: Told what there is to do.
    """

    __slots__ = ("_descriptor", "_is_closing", "_is_deaf", "_owner", "_readable", "_reader", "outbox")

    def __init__(self, descriptor: int, backlog_bytes: int, owner: Owner) -> None:
        self._descriptor = descriptor
        self._owner = owner
        self._readable = gevent.get_hub().loop.io(descriptor, _READABLE)
        self._reader: FrameReader | None = None
        self._is_closing = self._is_deaf = False
        self.outbox = Outbox(descriptor, backlog_bytes, owner)

    @property
    def is_open(self) -> bool:
        """Return whether neither side has ended it."""
        return not self._is_closing

    @property
    def is_released(self) -> bool:
        """Return whether the descriptor is closed."""
        return self._descriptor == _RELEASED

    def listen(self) -> None:
        """Have the owner read from now on."""
        self._readable.start(self._owner.read)

    def pause(self) -> None:
        """Leave what comes to the kernel, until `listen`."""
        self._readable.stop()

    def ping(self) -> None:
        """Ask the client for a sign of life."""
        self.outbox.send(PING)

    def pong(self, ping: Frame) -> None:
        """Give one."""
        self.outbox.send(pong_frame(cast("bytes", ping.payload)))

    def close(self, code: Close, reason: str) -> None:
        """Send the close frame and nothing after it."""
        self._is_closing = True
        self.outbox.finish(close_frame(code, reason))

    def answer(self, close: Frame) -> bool:
        """Send the client's close frame back; return whether it is on its way already."""
        self._is_closing = True
        code, reason = cast("tuple[int, str]", close.payload)
        self.outbox.finish(close_frame(code, reason))
        return not self.outbox.waiting_bytes

    def receive(self) -> bool:
        """Take what has come; return whether there is more to be expected."""
        try:
            data = os.read(self._descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        # The library would keep all that comes after a close frame or a bad one, and a client may send without end.
        if data and not self._is_deaf:
            self._reader = self._reader or FrameReader()
            self._reader.receive_bytes(data)
        return bool(data)

    def frames(self) -> Iterator[Frame]:
        """Yield what was received, and end at what has not come as a whole; to be called again for what is left.

        Raises:
            BadFrameError: What has come is no frame.
        """
        reader = self._reader
        if reader is None:
            return
        try:
            for frame in reader.received_frames():
                if frame.opcode is Opcode.CLOSE:
                    self._stop_reading()
                yield frame
        except ParseFailed as error:
            self._stop_reading()
            raise BadFrameError(str(error)) from error
        if reader.is_between_messages:
            self._reader = None

    def linger(self) -> bool:
        """Drop what has come after `close`; return whether the client has closed too.

        To close on unread input would take back the close frame.
        """
        if not self.receive():
            return True
        with suppress(BadFrameError):
            return any(frame.opcode is Opcode.CLOSE for frame in self.frames())
        return False

    def release(self) -> None:
        """Close the socket; nothing can be done with it any more."""
        if self.is_released:
            return
        self._is_closing = True
        self._stop_reading()
        self.outbox.close()
        self._readable.stop()
        self._readable.close()
        os.close(self._descriptor)
        self._descriptor = _RELEASED

    def _stop_reading(self) -> None:
        self._is_deaf = True
        self._reader = None

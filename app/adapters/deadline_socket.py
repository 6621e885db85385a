"""A limit on all that is waited for on a connection together: a byte now and then would keep each single wait short."""

from __future__ import annotations

from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import SocketIO, socket

    from _typeshed import ReadableBuffer, WriteableBuffer


class DeadlineSocket:
    """As much of a connected socket as http.client uses; raises TimeoutError when it is later than it may be."""

    def __init__(self, connected: socket, clock: Callable[[], float]) -> None:
        self._socket = connected
        self._clock = clock
        self._ends_at = clock()

    def end_in(self, seconds: float) -> None:
        """Wait no longer than so many seconds from now, whatever for."""
        self._ends_at = self._clock() + seconds

    def limit(self) -> None:
        """Let the next wait be as long as is left."""
        left_seconds = self._ends_at - self._clock()
        if left_seconds <= 0:
            raise TimeoutError
        self._socket.settimeout(left_seconds)

    def sendall(self, data: ReadableBuffer) -> None:
        """Send all of it."""
        self.limit()
        self._socket.sendall(data)

    def makefile(self, _mode: str) -> BufferedReader:
        """Return what is received, as a file."""
        return BufferedReader(_Received(self, self._socket.makefile("rb", buffering=0)))

    def close(self) -> None:
        """Close it, once what `makefile` gave is closed too."""
        self._socket.close()

    def __del__(self) -> None:
        """Close it: nobody says goodbye to a node who only asks it now and then."""
        self._socket.close()


class _Received(RawIOBase):
    def __init__(self, limited: DeadlineSocket, received: SocketIO) -> None:
        self._limited = limited
        self._received = received

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._limited.limit()
        return self._received.readinto(buffer)

    def close(self) -> None:
        self._received.close()
        super().close()

"""The doorbell between processes of one host: a Unix datagram socket for each follower, in one directory."""

from __future__ import annotations

import logging
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

SUFFIX = ".sock"


class UnixDoorbell:
    """Rings at every socket in `directory`, which need not exist."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def ring(self) -> None:
        """Send a byte to each follower; one that died, or is still busy with earlier rings, is passed over."""
        # Making the socket can fail as well, when the process has no descriptor left.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.settimeout(0)
            for follower in self._directory.iterdir():
                if follower.suffix == SUFFIX:
                    with suppress(OSError):
                        to.sendto(b"\a", str(follower))


class UnixHearing:
    """Hears the rings of `directory`, under the follower's own `name`.

    The socket of an earlier process of that name is replaced. Without a socket, or when somebody removed it,
    waiting lasts its full time, and each wait tries to put it back.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / f"{name}{SUFFIX}"
        self._socket: socket.socket | None = None
        self._inode = 0
        self._complained = False

    def wait(self, timeout_seconds: float) -> bool:
        """Return whether somebody rang within `timeout_seconds`; further rings until now count as the same."""
        self._listen()
        if self._socket is None:
            time.sleep(timeout_seconds)
            return False
        self._socket.settimeout(timeout_seconds)
        try:
            self._socket.recv(1)
        except TimeoutError:
            return False
        self._socket.settimeout(0)
        with suppress(BlockingIOError):
            while self._socket.recv(1):
                pass
        return True

    def close(self) -> None:
        """Stop hearing, and take the socket away."""
        if self._socket is None:
            return
        if self._is_in_place():
            self._path.unlink(missing_ok=True)
        self._socket.close()
        self._socket = None

    def _listen(self) -> None:
        if self._socket is not None and self._is_in_place():
            return
        self.close()
        try:
            self._socket = self._put_in_place()
        except OSError as error:
            if not self._complained:
                _log.warning("no doorbell, polling instead", extra={"path": str(self._path), "error": str(error)})
            self._complained = True
        else:
            self._complained = False

    def _put_in_place(self) -> socket.socket:
        # Making it can fail as well, when the process has no descriptor left.
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            listener.bind(str(self._path))
            self._inode = self._path.stat().st_ino
        except OSError:
            listener.close()
            raise
        return listener

    def _is_in_place(self) -> bool:
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False

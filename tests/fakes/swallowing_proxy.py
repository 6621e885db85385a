"""A proxy that can begin to swallow: connections stay, and what is sent over them gets lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class SwallowingProxy:
    """Passes connections to a port of this machine on to the Unix socket `behind`."""

    def __init__(self, behind: Path) -> None:
        self._behind = behind
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._swallows = threading.Event()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def swallow(self) -> None:
        """Lose everything from now on, in both directions."""
        self._swallows.set()

    def recover(self) -> None:
        """Pass on what comes over new connections."""
        self._swallows.clear()

    def close(self) -> None:
        # Closing alone would not wake those who wait on them.
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._behind))
            self._ends += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        lost = False
        try:
            while data := source.recv(65_536):
                lost = lost or self._swallows.is_set()
                if not lost:
                    target.sendall(data)
        except OSError:
            pass
        if not lost:
            target.close()


@contextmanager
def swallowing_proxy(behind: Path) -> Iterator[SwallowingProxy]:
    proxy = SwallowingProxy(behind)
    try:
        yield proxy
    finally:
        proxy.close()

"""What systemd would be told by a service: that it is ready, at work, stopping."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from contextlib import suppress

_numbers = itertools.count()


class Supervisor:
    """Listens to one service; `address` goes into its NOTIFY_SOCKET."""

    def __init__(self) -> None:
        # An abstract name, since the path of a test's directory may be too long for a socket.
        name = f"utxoracle-tests-{os.getpid()}-{next(_numbers)}"
        self.address = f"@{name}"
        self.words_of_life = 0
        self._ready = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{name}")
        # Whoever does not listen blocks the service as soon as ten words are waiting.
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def forget(self) -> None:
        """Know nothing of an earlier run of the service."""
        self._ready.clear()

    def is_ready(self) -> bool:
        """Return whether the service has said so since we forgot."""
        return self._ready.is_set()

    def close(self) -> None:
        """Listen no longer."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._listening.join(5)
        self._socket.close()

    def _listen(self) -> None:
        while state := self._socket.recv(4096):
            if b"READY=1" in state:
                self._ready.set()
            elif b"WATCHDOG=1" in state:
                self.words_of_life += 1

"""Orders for the generator: one line of JSON each way over a Unix socket."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LINE_BYTES = 4096
_CLIENT_SECONDS = 5.0


class ControlSocket:
    """The generator's end. It is asked between two steps, so an order never meets a step half done."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()

    def answer(self, handle: Callable[[dict[str, Any]], dict[str, Any]], until: float) -> None:
        """Answer every order that comes until the monotonic clock shows `until`; at least those that wait already."""
        while True:
            left = max(0.0, until - time.monotonic())
            if not select.select([self._listening], [], [], left)[0]:
                return
            client, _ = self._listening.accept()
            # Whoever asked may have gone, or may not be one of us.
            with client, contextlib.suppress(OSError, ValueError):
                client.settimeout(_CLIENT_SECONDS)
                order = json.loads(_line(client))
                if isinstance(order, dict):
                    client.sendall(json.dumps(handle(order)).encode() + b"\n")

    def close(self) -> None:
        """Stop listening."""
        self._listening.close()


def ask(path: Path, order: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return the generator's answer.

    Raises:
        OSError: It does not run, or does not answer in time.
        ValueError: It was ended in the middle of the answer.
    """
    with socket.socket(socket.AF_UNIX) as server:
        server.settimeout(seconds)
        server.connect(str(path))
        server.sendall(json.dumps(order).encode() + b"\n")
        answer: dict[str, Any] = json.loads(_line(server))
        return answer


def _line(connection: socket.socket) -> bytes:
    content = b""
    while not content.endswith(b"\n") and (piece := connection.recv(_LINE_BYTES)):
        content += piece
    return content

"""A server whose answers never end, and never stop coming."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes.http_serving import serving

ENDLESS_HEAD = b"HTTP/1.1 200 OK\r\nX-Slow: "
ENDLESS_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


@contextmanager
def trickling(begins_with: bytes) -> Iterator[str]:
    """Answer every request with `begins_with`, and then with a byte every 10 ms; give the URL."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                self.request.sendall(begins_with)
                while not over.wait(0.01):
                    self.request.sendall(b" ")
            except OSError:
                pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with serving(Server(("127.0.0.1", 0), Handler)) as url:
        try:
            yield url
        finally:
            over.set()

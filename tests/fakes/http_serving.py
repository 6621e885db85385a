"""Servers of the standard library, at work in the process of the test."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

from tests.node.programs.rest import Route, as_text, handler


def server_of(routes: Sequence[Route]) -> ThreadingHTTPServer:
    """Return a server of these at a free port; anything else is not found."""
    return ThreadingHTTPServer(("127.0.0.1", 0), handler(routes, as_text("not found", 404)))


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[str]:
    """Serve in this process; yield the address."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()

"""A small REST server over HTTP/1.1, for the stand-ins."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.node.programs.bitcoind_rpc import UnreachableError


@dataclass(frozen=True)
class Answer:
    """Status, body and kind of body."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200


def as_json(value: object) -> Answer:
    """Return `value` as JSON."""
    return Answer(json.dumps(value).encode())


def as_text(text: str, status: int = 200) -> Answer:
    """Return plain text, as Esplora answers with a single value or an error."""
    return Answer(text.encode(), "text/plain", status)


# A pattern of the whole path, and what answers with its groups.
Route = tuple[str, Callable[..., Answer]]


def serve(address: tuple[str, int], routes: Sequence[Route], not_found: Answer) -> None:
    """Answer GET requests at `address` for ever."""
    ThreadingHTTPServer(address, handler(routes, not_found)).serve_forever()


def handler(routes: Sequence[Route], not_found: Answer) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers by `routes`."""
    patterns = [(re.compile(pattern), view) for pattern, view in routes]

    def answer(path: str) -> Answer:
        for pattern, view in patterns:
            if found := pattern.fullmatch(path):
                try:
                    return view(*found.groups())
                except UnreachableError:
                    return as_text("bitcoind does not answer", 503)
        return not_found

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # A client that keeps its connection open for ever must not keep a thread.
        timeout = 60

        def do_GET(self) -> None:
            given = answer(urlsplit(self.path).path)
            self.send_response(given.status)
            self.send_header("Content-Type", given.content_type)
            self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            self.wfile.write(given.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
            pass

    return Handler

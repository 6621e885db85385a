"""A server that answers each request with the bytes that a test gave it, and may hang up without saying so."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import parse_headers


class ScriptedHttp(socketserver.ThreadingTCPServer):
    """Sends one of `answers` a request, the last one again and again.

    Attributes:
        answers: What is sent, byte by byte as it stands.
        hangs_up: Whether a connection ends after each answer.
        asked: Body and headers of each request, and which connection it came over.
    """

    daemon_threads = True

    def __init__(self, answers: Sequence[bytes], *, hangs_up: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.answers = list(answers)
        self.hangs_up = hangs_up
        self.asked: list[tuple[str, bytes, dict[str, str], int]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def connections(self) -> int:
        """How many of them were used."""
        return len({port for *_, port in self.asked})


class _Connection(socketserver.StreamRequestHandler):
    server: ScriptedHttp

    def handle(self) -> None:
        while line := self.rfile.readline():
            headers = dict(parse_headers(self.rfile))
            body = self.rfile.read(int(headers.get("Content-Length", 0)))
            self.server.asked.append((line.decode().strip(), body, headers, self.client_address[1]))
            answers = self.server.answers
            self.wfile.write(answers.pop(0) if len(answers) > 1 else answers[0])
            if self.server.hangs_up:
                return


@contextmanager
def scripted_http(*answers: bytes, hangs_up: bool = False) -> Iterator[ScriptedHttp]:
    with ScriptedHttp(answers, hangs_up=hangs_up) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def ok(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return an answer of HTTP/1.1 with its length."""
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*head, b"", body])

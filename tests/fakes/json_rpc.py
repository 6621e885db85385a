"""A server that answers JSON-RPC with results that a test makes up, and everything else as well."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.bitcoin_node import RefusedError

# Gives the result of a call, or raises RefusedError.
Results = Callable[[str, list[Any]], object]


class JsonRpc(ThreadingHTTPServer):
    """Attributes:
    results: What calls give.
    body: What is answered in place of results; None: the results are.
    """

    daemon_threads = True

    def __init__(self, results: Results) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.results = results
        self.body: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"result": self.results(call["method"], call["params"]), "error": None, "id": call["id"]}
        except RefusedError as error:
            return {"result": None, "error": {"code": error.number, "message": str(error)}, "id": call["id"]}


class _Handler(BaseHTTPRequestHandler):
    server: JsonRpc
    protocol_version = "HTTP/1.1"
    # Head and body in one segment: the client would wait for the second otherwise.
    wbufsize = 1 << 16

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers = [self.server.answer(call) for call in asked] if isinstance(asked, list) else self.server.answer(asked)
        # Without spaces, as bitcoind.
        body = json.dumps(answers, separators=(",", ":")).encode() if self.server.body is None else self.server.body
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        pass


@contextmanager
def json_rpc(results: Results) -> Iterator[JsonRpc]:
    with JsonRpc(results) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()

"""A stand-in for bitcoind over real HTTP, for chains that a real one would refuse and for faults it does not have."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.blocks import double_sha256


class RefusedError(Exception):
    """An RPC error, with bitcoind's number."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


class FakeNode(ThreadingHTTPServer):
    """Serves one chain by JSON-RPC and REST.

    Attributes:
        asked: How often each RPC method and each kind of REST path was asked for.
        rest: Whether REST is served.
        warming_up: Whether it says that it is still starting.
        syncing: Whether it says that it is in initial block download.
        user_password: What JSON-RPC wants; None: anything.
        forbidden: RPC methods that are not in the whitelist.
        instead: Bodies served for a block's hash in place of the block; None: it is pruned.
        before_block: Called with the hash before a block is served.
    """

    daemon_threads = True

    def __init__(self, blocks: Mapping[int, bytes], network: str = "main") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Counter[str] = Counter()
        self.network = network
        self.rest = True
        self.warming_up = False
        self.syncing = False
        self.user_password: str | None = None
        self.forbidden: Collection[str] = ()
        self.instead: dict[str, bytes | None] = {}
        self.before_block: Callable[[str], None] = lambda _: None
        self._known: dict[str, bytes] = {}
        self.serve(blocks)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def serve(self, blocks: Mapping[int, bytes]) -> None:
        """Make `blocks` the active chain; the others stay known, as after a reorganisation."""
        self._chain = dict(blocks)
        self._hashes = {height: double_sha256(raw[:80])[::-1].hex() for height, raw in self._chain.items()}
        self._known |= {self._hashes[height]: raw for height, raw in self._chain.items()}

    def hash_at(self, height: int) -> str:
        try:
            return self._hashes[height]
        except KeyError:
            raise RefusedError(-8, "Block height out of range") from None

    def header(self, block_hash: str) -> bytes:
        try:
            return self._known[block_hash][:80]
        except KeyError:
            raise RefusedError(-5, "Block not found") from None

    def headers_from(self, block_hash: str, count: int) -> bytes:
        height = next(height for height, known in self._hashes.items() if known == block_hash)
        return b"".join(self._chain[each][:80] for each in range(height, height + count) if each in self._chain)

    def block(self, block_hash: str) -> bytes:
        self.before_block(block_hash)
        raw = self.instead.get(block_hash, self._known.get(block_hash))
        if raw is None:
            raise RefusedError(-1, "Block not available (pruned data)")
        return raw

    def chain_info(self) -> dict[str, Any]:
        return {"chain": self.network, "blocks": max(self._chain), "initialblockdownload": self.syncing}

    def call(self, method: str, params: list[Any]) -> object:
        self.asked[method] += 1
        if self.warming_up:
            raise RefusedError(-28, "Loading block index…")
        if method == "getblockchaininfo":
            return self.chain_info()
        if method == "getblockhash":
            return self.hash_at(params[0])
        if method == "getblockheader":
            return self.header(params[0]).hex()
        if method == "getblock":
            return self.block(params[0]).hex()
        raise RefusedError(-32601, "Method not found")


class _Handler(BaseHTTPRequestHandler):
    server: FakeNode
    protocol_version = "HTTP/1.1"
    # Head and body in one segment: the client would wait for the second otherwise.
    wbufsize = 1 << 16

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        calls = request if isinstance(request, list) else [request]
        wanted = self.server.user_password
        if wanted is not None and self.headers["Authorization"] != f"Basic {b64encode(wanted.encode()).decode()}":
            self._answer(401, b"")
        elif any(call["method"] in self.server.forbidden for call in calls):
            self._answer(403, b"")
        else:
            answers = [self._call(call) for call in calls]
            status = 200 if isinstance(request, list) or answers[0]["error"] is None else 500
            self._answer(status, json.dumps(answers if isinstance(request, list) else answers[0]).encode())

    def do_GET(self) -> None:
        if not self.server.rest:
            self._answer(404, b"")
        elif self.server.warming_up:
            self._answer(503, "Service temporarily unavailable: Loading block index…".encode())
        else:
            try:
                self._answer(200, self._rest(self.path.removeprefix("/rest/").split("/")))
            except RefusedError as error:
                self._answer(404, f"{error}\r\n".encode())

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"result": self.server.call(call["method"], call["params"]), "error": None, "id": call["id"]}
        except RefusedError as error:
            return {"result": None, "error": {"code": error.number, "message": str(error)}, "id": call["id"]}

    def _rest(self, parts: list[str]) -> bytes:
        kind, last = parts[0], parts[-1].partition(".")[0]
        self.server.asked[f"rest {kind}"] += 1
        if kind == "chaininfo.json":
            return json.dumps(self.server.chain_info()).encode()
        if kind == "blockhashbyheight":
            return bytes.fromhex(self.server.hash_at(int(last)))[::-1]
        if kind == "headers":
            return self.server.headers_from(last, int(parts[1]))
        return self.server.block(last)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        pass


@contextmanager
def running(blocks: Mapping[int, bytes], network: str = "main") -> Iterator[FakeNode]:
    """Serve `blocks` by height while the context lasts."""
    with FakeNode(blocks, network) as node:
        threading.Thread(target=node.serve_forever, args=(0.01,), daemon=True).start()
        yield node
        node.shutdown()

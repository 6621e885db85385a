"""A stand-in for what speaks Esplora's REST, be it electrs, mempool or a public explorer, with faults at will."""

from __future__ import annotations

import json
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.fakes.blocks import double_sha256

REGTEST_GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"


class FakeEsplora(ThreadingHTTPServer):
    """Serves one chain by Esplora's REST under `prefix`; anything else is a 404 in plain text.

    Attributes:
        paths: Every path that was asked for.
        asked: How often each kind of path was answered.
        genesis: The hash that it names at height 0, whatever its blocks.
        tip: The height that it names.
        status: What every answer has instead of 200; None: nothing out of the ordinary.
        instead: Bodies served in place of what belongs to a path.
        before: Called before each answer.
    """

    daemon_threads = True

    def __init__(self, blocks: Mapping[int, bytes], prefix: str = "", genesis: str = REGTEST_GENESIS) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.prefix = prefix
        self.genesis = genesis
        self.tip = max(blocks)
        self.paths: list[str] = []
        self.asked: Counter[str] = Counter()
        self.status: int | None = None
        self.instead: dict[str, bytes] = {}
        self.before: Callable[[], None] = lambda: None
        self._heights = {height: double_sha256(raw[:80])[::-1].hex() for height, raw in blocks.items()}
        self._blocks = {self._heights[height]: raw for height, raw in blocks.items()}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def hash_at(self, height: int) -> str:
        return self._heights[height]

    def answer(self, path: str) -> tuple[int, bytes]:
        self.paths.append(path)
        self.before()
        if self.status is not None:
            return self.status, b"why"
        if not path.startswith(f"{self.prefix}/"):
            return 404, b"endpoint does not exist"
        path = path.removeprefix(self.prefix)
        if path in self.instead:
            return 200, self.instead[path]
        try:
            return 200, self._body(path.strip("/").split("/"))
        except (KeyError, ValueError):
            return 404, b"Block not found"

    def _body(self, words: list[str]) -> bytes:
        self.asked[words[-1] if words[0] == "block" else words[0]] += 1
        match words:
            case ["blocks", "tip", "height"]:
                return str(self.tip).encode()
            case ["blocks", height]:
                heights = [each for each in range(int(height), int(height) - 10, -1) if each in self._heights]
                return json.dumps([self._described(each) for each in heights]).encode()
            case ["block-height", "0"]:
                return self.genesis.encode()
            case ["block-height", height]:
                return self._heights[int(height)].encode()
            case ["block", block_hash, "raw"]:
                return self._blocks[block_hash]
            case ["block", block_hash, "header"]:
                return self._blocks[block_hash][:80].hex().encode()
        raise KeyError(words)

    def _described(self, height: int) -> dict[str, object]:
        header = self._blocks[self._heights[height]][:80]
        version, timestamp, bits, nonce = struct.unpack("<i64x3I", header)
        return {
            "id": self._heights[height],
            "height": height,
            "version": version,
            "timestamp": timestamp,
            "merkle_root": header[36:68][::-1].hex(),
            "previousblockhash": header[4:36][::-1].hex(),
            "nonce": nonce,
            "bits": bits,
        }


class _Handler(BaseHTTPRequestHandler):
    server: FakeEsplora
    protocol_version = "HTTP/1.1"
    # Head and body in one segment: the client would wait for the second otherwise.
    wbufsize = 1 << 16

    def do_GET(self) -> None:
        status, body = self.server.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        pass


@contextmanager
def esplora(blocks: Mapping[int, bytes], prefix: str = "", genesis: str = REGTEST_GENESIS) -> Iterator[FakeEsplora]:
    """Serve `blocks` by height while the context lasts."""
    with FakeEsplora(blocks, prefix, genesis) as node:
        threading.Thread(target=node.serve_forever, args=(0.01,), daemon=True).start()
        yield node
        node.shutdown()

"""A real bitcoind on regtest, run from the configuration file that a test gives it."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.node.bitcoind import bitcoind_program, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_SECONDS = 30


class Node:
    """Where it answers, and what it says."""

    def __init__(self, url: str, cookie: Path) -> None:
        self.url = url
        self.cookie = cookie

    def status(self, credentials: str, method: str) -> int:
        """Return the HTTP status with which a call is answered."""
        return self._post(credentials, method)[0]

    def call(self, method: str, *parameters: object) -> Any:  # noqa: ANN401 - JSON
        """Return the result of a call by the node's own user."""
        return self._post(self.cookie.read_text(encoding="utf-8"), method, *parameters)[1]["result"]

    def _post(self, credentials: str, method: str, *parameters: object) -> tuple[int, Any]:
        body = json.dumps({"id": "test", "method": method, "params": parameters}).encode()
        request = urllib.request.Request(self.url, body)
        request.add_header("Authorization", "Basic " + base64.b64encode(credentials.encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None


@contextmanager
def configured_bitcoind(directory: Path, conf: str) -> Iterator[Node]:
    """Run bitcoind with `conf` and `[regtest]` lines for a port of its own, until the block is left."""
    port = free_port()
    file = directory / "bitcoin.conf"
    file.write_text(f"{conf}\n[regtest]\nrpcport={port}\n", encoding="utf-8")
    options = ["-regtest", "-listen=0", "-dnsseed=0", "-natpmp=0", "-printtoconsole=0"]
    process = subprocess.Popen([bitcoind_program(), f"-datadir={directory}", f"-conf={file}", *options])
    node = Node(f"http://127.0.0.1:{port}", directory / "regtest/.cookie")
    try:
        _wait(node, process)
        yield node
    finally:
        process.terminate()
        process.wait(30)


def _wait(node: Node, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            if node.status(node.cookie.read_text(encoding="utf-8"), "getblockcount") in {200, 403}:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"bitcoind did not start: exit code {process.poll()}")

"""A real browser, in a container of its own that shares this machine's loopback."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import Browser, sync_playwright

from tests.node.bitcoind import free_port
from tests.node.host.container_engine import ContainerEngine
from tests.node.host.images import ensure_browser

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
START_SECONDS = 60


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give a browser; it is gone when the block is left."""
    engine, port = ContainerEngine(os.environ), free_port()
    image = ensure_browser(engine)
    name = f"utxoracle-browser-{os.getpid()}"
    command = ["chromium", *FLAGS, "--user-data-dir=/tmp/profile", f"--remote-debugging-port={port}", "about:blank"]
    engine.run("run", "--detach", "--network=host", "--name", name, image, *command)
    try:
        _wait(engine, name, f"http://127.0.0.1:{port}")
        with sync_playwright() as playwright:
            browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
            yield browser
            browser.close()
    finally:
        engine.run("rm", "--force", name)


def _wait(engine: ContainerEngine, name: str, url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/json/version", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < end, engine.attempt("logs", name).stderr
            time.sleep(0.1)

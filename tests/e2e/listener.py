"""A client of a deployed host's alert stream, through the proxy, as the first user."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import connect

from tests.e2e.operator import CHECKOUT
from tests.fakes.stream_client import StreamClient

URL = os.environ.get("UTXORACLE_E2E_URL", "https://127.0.0.1:8443")
PASSWORD_FILE = CHECKOUT / os.environ.get("UTXORACLE_E2E_PASSWORD_FILE", ".demo/password")
_TIMEOUT_SECONDS = 10.0


class Listener:
    """Hears what is told from now on; `messages` are all, in their order."""

    def __init__(self, client: StreamClient) -> None:
        self.messages: list[dict[str, Any]] = []
        self._client = client

    def wait_for(self, seconds: float, **fields: object) -> dict[str, Any]:
        """Return the first message that has these fields, perhaps one that came already; fail without it in time."""
        end = time.monotonic() + seconds
        for message in self.messages:
            if fields.items() <= message.items():
                return message
        while True:
            try:
                message = self._client.receive(max(0.0, end - time.monotonic()))
            except TimeoutError:
                raise AssertionError(f"not within {seconds} s: {fields}; there was {self.messages}") from None
            self.messages.append(message)
            if fields.items() <= message.items():
                return message

    def told(self, kind: str, txid: str) -> list[dict[str, Any]]:
        """Return the messages of one kind about one transaction."""
        return [each for each in self.messages if (each["type"], each.get("txid")) == (kind, txid)]


def sign_in() -> str:
    """Return an access token of the first user; no more than five a minute are given."""
    where = urlsplit(URL)
    password = PASSWORD_FILE.read_text(encoding="utf-8").strip()
    connection = http.client.HTTPSConnection(where.netloc, timeout=_TIMEOUT_SECONDS, context=_without_a_name())
    body = json.dumps({"username": "admin", "password": password})
    connection.request("POST", "/api/auth/login", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == http.client.OK, content
    token: str = json.loads(content)["access_token"]
    return token


@contextmanager
def listener(token: str, path: str = "/ws/whales") -> Iterator[Listener]:
    """Connect, authenticate and subscribe to everything."""
    url = f"wss://{urlsplit(URL).netloc}{path}"
    with connect(url, ssl=_without_a_name(), compression=None, open_timeout=_TIMEOUT_SECONDS) as connection:
        client = StreamClient(connection)
        client.authenticate(token)
        client.subscribe()
        yield Listener(client)


def _without_a_name() -> ssl.SSLContext:
    # The host has signed its certificate itself.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

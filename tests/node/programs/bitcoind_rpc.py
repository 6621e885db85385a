"""JSON-RPC of bitcoind over one kept connection, with the cookie that bitcoind writes at each start."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_TIMEOUT_SECONDS = 600
_ATTEMPTS = 2
_STILL_STARTING = -28


class RpcError(Exception):
    """bitcoind answered, and said no; `code` is its own number for the reason."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: {message}")
        self.code = code
        self.reason = message


class UnreachableError(Exception):
    """Nobody answers, or what answers does not know our cookie, or is still starting."""


class BitcoindRpc:
    """One bitcoind; safe to share between threads, which then take turns.

    Args:
        port: Its RPC port on loopback.
        cookie: The file with user and password, read again for each new connection.
    """

    def __init__(self, port: int, cookie: Path) -> None:
        self._port = port
        self._cookie = cookie
        self._connection: http.client.HTTPConnection | None = None
        self._authorization = ""
        self._turn = threading.Lock()

    def call(self, method: str, *params: object) -> Any:
        """Return the result of one call.

        Raises:
            RpcError: bitcoind refused.
            UnreachableError: There was no answer.
        """
        answer = self._post({"method": method, "params": params, "id": 0})
        if answer["error"]:
            raise _error(method, answer)
        return answer["result"]

    def batch(self, method: str, many: Sequence[Sequence[object]]) -> list[Any | RpcError]:
        """Return one result or error for each list of parameters, in their order."""
        if not many:
            return []
        answers = self._post([{"method": method, "params": params, "id": i} for i, params in enumerate(many)])
        return [_error(method, answer) if answer["error"] else answer["result"] for answer in answers]

    def close(self) -> None:
        """Let the connection go; the next call makes a new one."""
        with self._turn:
            self._disconnect()

    def _post(self, body: object) -> Any:
        text = json.dumps(body)
        with self._turn:
            # bitcoind drops a connection that was idle for 30 s; that shows only when the next request is sent.
            for _ in range(_ATTEMPTS):
                with contextlib.suppress(OSError, http.client.HTTPException):
                    return self._send(text)
                self._disconnect()
        raise UnreachableError(f"bitcoind does not answer on port {self._port}")

    def _send(self, text: str) -> Any:
        connection = self._connection or self._connect()
        connection.request("POST", "/", text, {"Authorization": self._authorization})
        response = connection.getresponse()
        content = response.read()
        if response.status == http.HTTPStatus.UNAUTHORIZED:
            raise http.client.HTTPException("the cookie is that of an earlier start")
        try:
            return json.loads(content)
        except ValueError:
            raise http.client.HTTPException(content.decode(errors="replace")) from None

    def _connect(self) -> http.client.HTTPConnection:
        self._authorization = "Basic " + base64.b64encode(self._cookie.read_bytes()).decode()
        self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_SECONDS)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _error(method: str, answer: dict[str, Any]) -> RpcError:
    error = answer["error"]
    if error["code"] == _STILL_STARTING:
        raise UnreachableError(f"bitcoind is still starting: {error['message']}")
    return RpcError(method, error["code"], error["message"])

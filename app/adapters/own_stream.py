"""Our own alert stream, as its clients see it: one connection, one question, one answer."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, RejectConnection, Request, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from app.adapters.own_api import loopback_of
from app.services.acceptance_checks import UnansweredError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wsproto.events import Event

_PATH = "/ws/whales"
_TOO_MANY_REQUESTS = 429


class _RefusedError(UnansweredError):
    """The handshake was answered, but with an HTTP status."""

    def __init__(self, message: str, status_code: int) -> None:
        super().__init__(message)
        self.status_code = status_code


class OwnStream:
    """Answers `app.services.acceptance_checks.Stream`; each call is bounded by `timeout_seconds`."""

    def __init__(self, host: str, port: int, timeout_seconds: float = 5.0) -> None:
        self._address = (loopback_of(host).strip("[]"), port)
        self._host = f"{loopback_of(host)}:{port}"
        self._timeout_seconds = timeout_seconds

    def handshake(self) -> None:
        """Shake hands and leave; raise UnansweredError when the stream does not.

        When others of this address have come too often, being told so is as good: only one that runs can say it.
        """
        with self._connected() as client:
            try:
                self._accepted(client)
            except _RefusedError as refusal:
                if refusal.status_code != _TOO_MANY_REQUESTS:
                    raise

    def first_answer(self, message: Mapping[str, object]) -> Mapping[str, Any]:
        """Connect, send `message` and return the answer; see the port."""
        with self._connected() as client:
            websocket, events = self._accepted(client)
            client.sendall(websocket.send(TextMessage(json.dumps(message))))
            text = ""
            for event in events:
                if isinstance(event, CloseConnection):
                    return {"type": "close", "code": event.code, "reason": event.reason}
                if isinstance(event, TextMessage):
                    text += event.data
                    if event.message_finished:
                        answer, text = self._parsed(text), ""
                        if answer.get("type") != "error":
                            client.sendall(websocket.send(CloseConnection(1000)))
                            return answer
            raise self._unanswered("ended the connection without an answer")

    def _connected(self) -> socket.socket:
        try:
            return socket.create_connection(self._address, self._timeout_seconds)
        except OSError as error:
            raise self._unanswered(f"does not answer ({error})") from error

    def _accepted(self, client: socket.socket) -> tuple[WSConnection, Iterator[Event]]:
        websocket = WSConnection(ConnectionType.CLIENT)
        client.sendall(websocket.send(Request(host=self._host, target=_PATH)))
        events = self._events(client, websocket)
        first = next(events, None)
        if isinstance(first, RejectConnection):
            why = self._complaint(f"refused the handshake with HTTP {first.status_code}")
            raise _RefusedError(why, first.status_code)
        if not isinstance(first, AcceptConnection):
            raise self._unanswered("does not shake hands as a WebSocket")
        return websocket, events

    def _events(self, client: socket.socket, websocket: WSConnection) -> Iterator[Event]:
        deadline = time.monotonic() + self._timeout_seconds
        try:
            while (left_seconds := deadline - time.monotonic()) > 0:
                client.settimeout(left_seconds)
                data = client.recv(4096)
                websocket.receive_data(data or None)
                yield from websocket.events()
                if not data:
                    return
        except (OSError, LocalProtocolError, RemoteProtocolError) as error:
            raise self._unanswered(f"broke off ({error})") from error
        raise self._unanswered(f"said nothing within {self._timeout_seconds:g} s")

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self._unanswered("answered with something else than a JSON object")
        return answer

    def _unanswered(self, what: str) -> UnansweredError:
        return UnansweredError(self._complaint(what))

    def _complaint(self, what: str) -> str:
        return f"ws://{self._host}{_PATH} {what}; see `systemctl status utxoracle-websocket` and its log"

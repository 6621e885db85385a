"""A client of the alert stream that does only what it is told: it answers no ping and may send anything."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping, Request, TextMessage
from wsproto.frame_protocol import FrameProtocol

if TYPE_CHECKING:
    from tests.fakes.stream_service import StreamService

PATIENCE_SECONDS = 20.0
CLOSE = 8
_OPCODES = {1, CLOSE, 9, 10}


class RawStreamClient:
    """One connection, authenticated if there is a token, with as small a receive buffer as is asked for."""

    def __init__(self, service: StreamService, token: str | None = None, buffer_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        if buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.connect(("127.0.0.1", service.port))
        self._websocket = WSConnection(ConnectionType.CLIENT)
        self._framing = FrameProtocol(client=True, extensions=[])
        self._text = ""
        self._received = b""
        self.socket.sendall(self._websocket.send(Request(host="127.0.0.1", target="/ws/whales")))
        assert isinstance(self.next(), AcceptConnection)
        if token is not None:
            self.send(json.dumps({"type": "auth", "token": token}))
            welcome = self.next()
            assert isinstance(welcome, TextMessage)
            assert "welcome" in welcome.data

    def send(self, text: str) -> None:
        self.socket.sendall(self._websocket.send(TextMessage(text)))

    def ping(self) -> None:
        self.socket.sendall(self._websocket.send(Ping()))

    def say_goodbye(self) -> None:
        self.socket.sendall(self._websocket.send(CloseConnection(1000)))

    def frame(self, payload: str, *, fin: bool) -> None:
        """Send a text frame, or what only begins one."""
        self.socket.sendall(self._framing.send_data(payload, fin=fin))

    def next(self) -> Event:
        """Return the next thing that comes, of any kind; messages are whole."""
        while True:
            for event in self._websocket.events():
                if not isinstance(event, TextMessage):
                    return event
                self._text += event.data
                if event.message_finished:
                    text, self._text = self._text, ""
                    return TextMessage(text)
            data = self.socket.recv(65536)
            assert data, "the connection ended without a close frame"
            self._received += data
            self._websocket.receive_data(data)

    def close_code(self) -> int:
        """Return the code with which the other side closes, whatever comes before it."""
        while True:
            event = self.next()
            if isinstance(event, CloseConnection):
                return event.code

    def every_frame(self) -> list[tuple[int, bytes]]:
        """Return opcode and payload of all that came after the handshake until the other side ended TCP.

        Anything else than frames fails, whether it comes between them or after the close frame.
        """
        with suppress(ConnectionResetError):
            while data := self.socket.recv(65536):
                self._received += data
        left = self._received.partition(b"\r\n\r\n")[2]
        frames = []
        while left:
            opcode, length, start = left[0] & 0x0F, left[1], 2
            assert left[0] == 0x80 | opcode, f"no frame: {left[:200]!r}"
            assert opcode in _OPCODES, f"no frame: {left[:200]!r}"
            if length == 126:
                length, start = int.from_bytes(left[2:4]), 4
            assert length < 126 or start == 4
            frames.append((opcode, left[start : start + length]))
            assert len(frames[-1][1]) == length, "the last frame is not whole"
            left = left[start + length :]
        return frames

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

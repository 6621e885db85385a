"""The process of tests/bench/stream_clients.py: `python -m tests.bench.stream_load`, told what to do on its input."""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from wsproto.frame_protocol import CloseReason, FrameProtocol

_CHUNK_BYTES = 256 * 1024
_SMALL_BUFFER_BYTES = 4096
_TEXT, _CLOSE, _PING = 0x81, 0x88, 0x89
_LONG = 126
_SLOW = (4409).to_bytes(2)
_QUIET_SECONDS = 1.0
_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Record:
    """What all clients received: each event's bytes once, and a time for each client that had it."""

    def __init__(self) -> None:
        self._number_of: dict[bytes, int] = {}
        self._ids: list[int] = []
        self._times: list[array[float]] = []
        self._told = 0
        self.faults: list[str] = []

    def note(self, text: bytes, expected: int, at: float) -> None:
        """Note an event of a client that has had `expected` before."""
        number = self._number_of.get(text)
        if number is None:
            number = self._add(text)
        if number != expected:
            self.faults.append(f"event {number} came in place of {expected}: {text[:80]!r}")
        self._times[number].append(at)

    def is_whole(self, text: bytes, expected: int) -> bool:
        """Return whether that is the event that a client is due who has had `expected` before."""
        return self._number_of.get(text) == expected

    def since_last_time(self) -> dict[int, list[float]]:
        """Return the times of the events that were not told before."""
        told, self._told = self._told, len(self._ids)
        return {self._ids[number]: self._times[number].tolist() for number in range(told, self._told)}

    def _add(self, text: bytes) -> int:
        self._ids.append(json.loads(text)["event_id"])
        self._times.append(array("d"))
        return self._number_of.setdefault(text, len(self._ids) - 1)


class Client:
    """One connection that reads."""

    __slots__ = ("_left", "_record", "socket", "taken")
    _writer = FrameProtocol(client=True, extensions=[])

    def __init__(self, connection: socket.socket, record: Record) -> None:
        self.socket = connection
        self.taken = 0
        self._record = record
        self._left = b""

    def read(self) -> bytes:
        """Return what has come; nothing, when the connection has ended."""
        try:
            return os.read(self.socket.fileno(), _CHUNK_BYTES)
        except ConnectionResetError:
            return b""

    def take(self, data: bytes, at: float) -> None:
        """Take what came at `at`."""
        for kind, payload in self.frames(data):
            if kind == _TEXT:
                self._record.note(payload, self.taken, at)
                self.taken += 1
            elif kind == _PING:
                self._answer(self._writer.pong(payload))
            else:
                self._record.faults.append(f"after {self.taken} events came a frame {kind:#x}: {payload[:80]!r}")
                if kind == _CLOSE:
                    self._answer(self._writer.close(CloseReason.NORMAL_CLOSURE))

    def _answer(self, frame: bytes | bytearray) -> None:
        # Whoever gave up meanwhile has closed the connection.
        with suppress(OSError):
            self.socket.send(frame)

    def frames(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield first byte and payload of each whole frame; what is left is kept until more comes."""
        data = self._left + data if self._left else data
        at = 0
        while len(data) >= at + 4:
            length, start = data[at + 1], at + 2
            if length == _LONG:
                length, start = int.from_bytes(data[at + 2 : at + 4]), at + 4
            if len(data) < start + length:
                break
            yield data[at], data[start : start + length]
            at = start + length
        self._left = data[at:]


class Load:
    """All of them."""

    def __init__(self) -> None:
        self._record = Record()
        self._clients: dict[int, Client] = {}
        self._stalled: list[Client] = []
        self._expected = 0
        self._poller = select.epoll()
        self._poller.register(sys.stdin.fileno(), select.EPOLLIN)

    def connect(self, url: str, tokens: list[str], count: int, stalled: int) -> None:
        """Connect clients that read, and then those that do not."""
        for number in range(count + stalled):
            is_stalled = number >= count
            connection = _joined(url, tokens[number % len(tokens)], None if is_stalled else _CHUNK_BYTES)
            if is_stalled:
                self._stalled.append(Client(connection, self._record))
                continue
            self._clients[connection.fileno()] = Client(connection, self._record)
            self._poller.register(connection.fileno(), select.EPOLLIN)

    def read(self, timeout_seconds: float) -> bool:
        """Read what has come, or comes first; return whether there is a further order."""
        is_told = False
        for descriptor, _ in self._poller.poll(timeout_seconds):
            client = self._clients.get(descriptor)
            if client is None:
                is_told = True
                continue
            data = client.read()
            client.take(data, time.monotonic())
            if not data:
                self._record.faults.append("a connection ended")
                self._poller.unregister(descriptor)
                client.socket.close()
        return is_told

    def receipts(self, events: int, patience_seconds: float, *, stalled_read: bool) -> dict[str, Any]:
        """Return what came since the last time."""
        until = time.monotonic() + patience_seconds
        self._expected += events
        while time.monotonic() < until and any(client.taken < self._expected for client in self._clients.values()):
            self.read(0.05)
        self._record.faults += [
            f"a client had {client.taken} events, not {self._expected}"
            for client in self._clients.values()
            if client.taken != self._expected
        ]
        times = self._record.since_last_time()
        shown_out = self._let_stalled_read() if stalled_read else 0
        return {"times": times, "shown_out": shown_out, "faults": self._record.faults}

    def _let_stalled_read(self) -> int:
        """Have those that stalled read until nothing more comes; return how many found the end of their connection."""
        stalled = {client.socket.fileno(): client for client in self._stalled}
        ended = 0
        with select.epoll() as poller:
            for descriptor in stalled:
                poller.register(descriptor, select.EPOLLIN)
            while ready := poller.poll(_QUIET_SECONDS) if stalled else []:
                for descriptor, _ in ready:
                    client = stalled[descriptor]
                    if self._is_ended(client, client.read()):
                        ended += 1
                        poller.unregister(descriptor)
        return ended

    def _is_ended(self, stalled: Client, data: bytes) -> bool:
        for kind, payload in stalled.frames(data):
            if (kind, payload[:2]) == (_CLOSE, _SLOW):
                return True
            if kind == _TEXT and self._record.is_whole(payload, stalled.taken):
                stalled.taken += 1
            elif kind != _PING:
                self._record.faults.append(f"one that stalled was sent {kind:#x}: {payload[:80]!r}")
        return not data


def _joined(url: str, token: str, buffer_bytes: int | None) -> socket.socket:
    """Return a connection that has subscribed; without `buffer_bytes` it has as small a buffer as there is."""
    parts = urlsplit(url)
    connection = socket.socket()
    if buffer_bytes is None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER_BYTES)
    connection.connect((parts.hostname, parts.port))
    connection.settimeout(20)
    connection.sendall(_HANDSHAKE.format(path=parts.path, host=parts.netloc).encode())
    _expect(connection, b"HTTP/1.1 101", b"\r\n\r\n")
    writer = FrameProtocol(client=True, extensions=[])
    connection.sendall(writer.send_data(json.dumps({"type": "auth", "token": token})))
    _expect(connection, b"welcome", b"}")
    connection.sendall(writer.send_data('{"type": "subscribe"}'))
    _expect(connection, b"subscribed", b"}")
    return connection


def _expect(connection: socket.socket, word: bytes, end: bytes) -> None:
    said = b""
    while not said.endswith(end):
        data = connection.recv(_CHUNK_BYTES)
        assert data, f"the connection ended after {said!r}"
        said += data
    assert word in said, said


def main() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    load = Load()
    load.connect(**json.loads(sys.stdin.readline()))
    answer: dict[str, Any] = {}
    while True:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        while not load.read(60):
            pass
        order = sys.stdin.readline()
        if not order:
            return
        answer = load.receipts(**json.loads(order))


if __name__ == "__main__":
    main()

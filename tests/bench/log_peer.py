"""The peer of the way to clients: `websockets.broadcast` of the same event log, woken by the same doorbell.

Started as `python -m tests.bench.log_peer <port> <directory>`. It proves each token, reads the log when rung for, and
broadcasts; it knows no filters, no limits, no revocation and no replay.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path

import jwt
import msgspec
from websockets.asyncio.server import ServerConnection, broadcast, serve

from app.adapters.database.engine import open_database
from app.adapters.database.events import DatabaseEventLog
from tests.fakes.stream_service import SECRET

_SUBSCRIBED = '{"type":"connection","status":"subscribed","reason":null}'
_MOST = 1000
_RINGS_BYTES = 1


class LogBroadcast:
    """Follows a log for all who have subscribed."""

    def __init__(self, log: DatabaseEventLog, hearing: socket.socket) -> None:
        self._log = log
        self._hearing = hearing
        self._subscribed: set[ServerConnection] = set()
        self._last_id = log.last_id()

    async def follow(self, connection: ServerConnection) -> None:
        token = json.loads(await connection.recv())["token"]
        jwt.decode(token, SECRET, algorithms=["HS256"])
        await connection.send('{"type":"welcome"}')
        await connection.recv()
        await connection.send(_SUBSCRIBED)
        self._subscribed.add(connection)
        try:
            await connection.wait_closed()
        finally:
            self._subscribed.discard(connection)

    def rung(self) -> None:
        self._hearing.recv(_RINGS_BYTES)
        for event in self._log.after(self._last_id, _MOST):
            self._last_id = event.id
            text = msgspec.json.encode({"type": event.type, "event_id": event.id, **event.payload})
            broadcast(self._subscribed, text.decode())


async def run(port: int, directory: Path) -> None:
    bell = directory / "run" / "doorbell"
    bell.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.bind(str(bell / "peer.sock"))
        hearing.setblocking(False)  # noqa: FBT003 - the standard library's way
        log = LogBroadcast(DatabaseEventLog(open_database(f"sqlite:///{directory / 'utxoracle.db'}")), hearing)
        loop = asyncio.get_running_loop()
        told_to_stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, told_to_stop.set)
        loop.add_reader(hearing, log.rung)
        async with serve(log.follow, "127.0.0.1", port, compression=None, ping_interval=30, backlog=2048):
            await told_to_stop.wait()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), Path(sys.argv[2])))

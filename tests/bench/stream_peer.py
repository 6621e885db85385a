"""The peer of the alert stream: `websockets.broadcast`, started as `python -m tests.bench.stream_peer <port> <bell>`.

It does what the stream does for a client, and none of the work beside it: it believes every token, and each message
comes ready-made as a datagram at the Unix socket `bell`.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from pathlib import Path

from websockets.asyncio.server import ServerConnection, broadcast, serve

_SUBSCRIBED = '{"type":"connection","status":"subscribed","reason":null}'


async def run(port: int, bell: Path) -> None:
    subscribed: set[ServerConnection] = set()

    async def follow(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send('{"type":"welcome"}')
        await connection.recv()
        await connection.send(_SUBSCRIBED)
        subscribed.add(connection)
        try:
            await connection.wait_closed()
        finally:
            subscribed.discard(connection)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.bind(str(bell))
        hearing.setblocking(False)  # noqa: FBT003 - the standard library's way
        loop = asyncio.get_running_loop()
        told_to_stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, told_to_stop.set)
        loop.add_reader(hearing, lambda: broadcast(subscribed, hearing.recv(65536).decode()))
        async with serve(follow, "127.0.0.1", port, compression=None, ping_interval=30, backlog=2048):
            await told_to_stop.wait()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), Path(sys.argv[2])))

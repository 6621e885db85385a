"""Many clients of the alert stream on the host itself, through its proxy: print how many of them hear of one whale.

    python3 crowd.py PORT TOKEN CLIENTS

It is fed to the host's python3 and therefore uses the standard library only. There every client of loopback may have an
address of its own, while from outside all would come from one, which the stream lets come a hundred times a minute.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import ssl
import sys
from collections.abc import Awaitable, Iterable
from typing import TypeVar

CLIENTS_PER_ADDRESS = 50
JOINING_AT_ONCE = 50
JOINING_SECONDS = 60
HEARING_SECONDS = 20
# One byte of a frame's head holds the size of a smaller one.
SHORT_BYTES = 126
DESCRIPTORS = 4096

_Result = TypeVar("_Result")
Joined = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def main(port: int, token: str, clients: int) -> None:
    """Print {"joined", "told", "problems"}."""
    turns, context = asyncio.Semaphore(JOINING_AT_ONCE), _without_a_name()
    tried = await _all([join(port, token, address_of(each), context, turns) for each in range(clients)])
    joined = [each for each in tried if not isinstance(each, BaseException)]
    txid = await order_whale()
    heard = await _all([asyncio.wait_for(reader.readuntil(txid), HEARING_SECONDS) for reader, _ in joined])
    problems = {repr(each) for each in [*tried, *heard] if isinstance(each, BaseException)}
    told = sum(isinstance(each, bytes) for each in heard)
    sys.stdout.write(json.dumps({"joined": len(joined), "told": told, "problems": sorted(problems)}))


async def join(port: int, token: str, address: str, context: ssl.SSLContext, turns: asyncio.Semaphore) -> Joined:
    """Connect from `address`, authenticate and subscribe to everything."""
    async with turns, asyncio.timeout(JOINING_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, local_addr=(address, 0))
        writer.write(
            f"GET /ws/whales HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head:
            raise ConnectionError(head.splitlines()[0])
        writer.write(frame(type="auth", token=token) + frame(type="subscribe"))
        await reader.readuntil(b'"subscribed"')
        return reader, writer


def frame(**message: str) -> bytes:
    """Return a message in a frame of a client, whose mask changes nothing."""
    content = json.dumps(message).encode()
    size = bytes([0x80 | len(content)]) if len(content) < SHORT_BYTES else b"\xfe" + len(content).to_bytes(2, "big")
    return b"\x81" + size + bytes(4) + content


def address_of(client: int) -> str:
    """Return an address that few clients share, and another one in every run."""
    return f"127.{1 + os.getpid() % 250}.{1 + os.getpid() // 250 % 250}.{1 + client // CLIENTS_PER_ADDRESS}"


async def order_whale() -> bytes:
    """Let the life on the chain send a whale; return its txid."""
    order = await asyncio.create_subprocess_exec("life", "whale", "--json", stdout=asyncio.subprocess.PIPE)
    answer, _ = await order.communicate()
    return str(json.loads(answer)["txid"]).encode()


async def _all(attempts: Iterable[Awaitable[_Result]]) -> list[_Result | BaseException]:
    return await asyncio.gather(*attempts, return_exceptions=True)


def _without_a_name() -> ssl.SSLContext:
    # The host has signed its certificate itself. One for all, since each takes milliseconds to make.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))

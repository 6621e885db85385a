"""A node that is its own recording: `python -m tests.bench.replay_node <recording>`, or `replayed` for a context.

It publishes by ZMQ what was published, and answers JSON-RPC as was answered, each answer as late as the node's. Its
standard input takes orders, one a line: `asked`, or a pace in transactions a second. A line of JSON answers each.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from app.domain.whales.parts import read_parts
from tests.bench.recording import RAWTX, SEQUENCE, Frame, Recording, load
from tests.bench.replay_answers import ReplayAnswers
from tests.fakes.published import CHECKOUT
from tests.node.bitcoind import free_port

_QUEUE_MESSAGES = 100_000
# An event loop wakes up no more precisely than this.
_PRECISION_SECONDS = 0.001
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@dataclass(frozen=True)
class Sent:
    """What a replay was.

    Attributes:
        at: When the bytes of each whale were sent, by `time.monotonic` and txid.
        blocks_at: When it was said of each block that it had come.
        seconds: How long it took.
        latest_seconds: How much later than it should have been a message was sent at worst.
        cpu_seconds: What the node used.
        asked: How often each method was called.
        unknown: What was asked and is not in the recording.
    """

    at: dict[str, float]
    blocks_at: list[float]
    seconds: float
    latest_seconds: float
    cpu_seconds: float
    asked: dict[str, int]
    unknown: list[str]


class ReplayedNode:
    """The process; made by `replayed`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        told = self._line()
        self.rpc_url: str = told["rpc_url"]
        self.zmq_address: str = told["zmq_address"]

    def asked(self) -> dict[str, int]:
        """Return how often each method was called."""
        self._order("asked")
        return self._line()

    def replay(self, per_second: float) -> Sent:
        """Publish all frames at this pace, and return when that is done."""
        self.begin(per_second)
        return self.end()

    def begin(self, per_second: float) -> None:
        """Begin to publish."""
        self._order(f"{per_second:g}")

    def end(self) -> Sent:
        """Return once all is published."""
        return Sent(**self._line())

    def _order(self, order: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the replayed node ended; what it said is above")
        told: dict[str, Any] = json.loads(line)
        return told


@contextmanager
def replayed(recording: Path) -> Iterator[ReplayedNode]:
    """Run the node of a recording while the context lasts."""
    command = [sys.executable, "-m", "tests.bench.replay_node", str(recording)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    with process:
        try:
            yield ReplayedNode(process)
        finally:
            process.kill()


class Connection(asyncio.Protocol):
    """One who asks by HTTP, one question after another."""

    def __init__(self, answers: ReplayAnswers) -> None:
        self._answers = answers
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._received = b""
        answer, seconds = self._answers.answer(body)
        said = _HEAD % len(answer) + answer
        if seconds < _PRECISION_SECONDS:
            self._say(said)
        else:
            asyncio.get_running_loop().call_later(seconds, self._say, said)

    def _say(self, said: bytes) -> None:
        assert self._transport is not None
        self._transport.write(said)


class Publisher:
    """Sends the frames of a recording.

    Args:
        recording: What is sent.
        answers: Follows what is sent.
    """

    def __init__(self, recording: Recording) -> None:
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self._recording = recording
        self._whales = set(recording.whales).difference(recording.waiting)
        # Hashing is no work for the time of sending.
        self._txids = [read_parts(frame.body).txid if frame.topic == RAWTX else "" for frame in recording.frames]
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, _QUEUE_MESSAGES)
        self._socket.bind(self.address)
        self._counters: dict[str, int] = {}
        self._sent_at: dict[str, float] = {}
        self._blocks_at: list[float] = []

    async def publish(self, per_second: float, answers: ReplayAnswers) -> dict[str, Any]:
        """Send everything; return what `Sent` holds."""
        recording = self._recording
        faster = per_second * recording.frames[-1].at_seconds / recording.transactions
        cpu, began, latest = cpu_seconds(), time.monotonic(), 0.0
        templates = iter(recording.templates)
        template = next(templates)
        for frame, txid in zip(recording.frames, self._txids, strict=True):
            due = began + frame.at_seconds / faster
            early = due - time.monotonic()
            if early > 0:
                await asyncio.sleep(early)
            else:
                latest = max(latest, -early)
            while template is not None and template.at_seconds <= frame.at_seconds:
                answers.template_is(template.answer)
                template = next(templates, None)  # type: ignore[assignment]
            answers.hears(frame, txid)
            self._send(frame, txid)
        return {
            "at": self._sent_at,
            "blocks_at": self._blocks_at,
            "seconds": time.monotonic() - began,
            "latest_seconds": latest,
            "cpu_seconds": cpu_seconds() - cpu,
            "asked": dict(answers.asked),
            "unknown": answers.unknown,
        }

    def _send(self, frame: Frame, txid: str) -> None:
        counter = self._counters.get(frame.topic, 0)
        self._counters[frame.topic] = counter + 1
        if txid in self._whales:
            # The first time: when it enters the mempool, and not when it is mined.
            self._sent_at.setdefault(txid, time.monotonic())
        elif frame.topic == SEQUENCE and frame.body[32:33] == b"C":
            self._blocks_at.append(time.monotonic())
        self._socket.send_multipart((frame.topic.encode(), frame.body, counter.to_bytes(4, "little")))


def cpu_seconds() -> float:
    """Return the CPU time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run(path: Path) -> None:
    recording = load(path)
    publisher = Publisher(recording)
    answers = ReplayAnswers(recording, publisher.address)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answers), "127.0.0.1", 0)
    say({"rpc_url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "zmq_address": publisher.address})
    while order := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        say(answers.asked if order == "asked" else await publisher.publish(float(order), answers))


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))

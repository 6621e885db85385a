"""Passes on what bitcoind publishes, or swallows it: `python -m tests.whales.relay TO FROM [FROM …]`.

It is told which by a line on its standard input, `pass` or `swallow`, and ends with it. A process of its own, since a
busy test would delay what it passes on.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import zmq

from tests.fakes.stream_service import CHECKOUT

_QUEUE_MESSAGES = 100_000


class Relay:
    """Such a process, from the outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def swallow(self) -> None:
        """Let nothing through from now on."""
        self._tell("swallow")

    def go_on(self) -> None:
        """Let everything through."""
        self._tell("pass")

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()


@contextmanager
def relay(to: str, sources: Sequence[str]) -> Iterator[Relay]:
    """Publish at the address `to` what is published at `sources`."""
    command = [sys.executable, "-m", "tests.whales.relay", to, *sources]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, text=True) as process:
        try:
            yield Relay(process)
        finally:
            process.kill()


def run(to: str, sources: Sequence[str]) -> None:
    """Do so until the standard input ends."""
    context = zmq.Context()
    heard, told = context.socket(zmq.SUB), context.socket(zmq.PUB)
    heard.setsockopt(zmq.RCVHWM, _QUEUE_MESSAGES)
    told.setsockopt(zmq.SNDHWM, _QUEUE_MESSAGES)
    heard.subscribe(b"")
    told.bind(to)
    for source in sources:
        heard.connect(source)
    poller = zmq.Poller()
    poller.register(heard, zmq.POLLIN)
    poller.register(sys.stdin.fileno(), zmq.POLLIN)
    is_passing = True
    while True:
        ready = dict(poller.poll())
        if sys.stdin.fileno() in ready:
            word = sys.stdin.readline()
            if not word:
                return
            is_passing = word.strip() == "pass"
        if heard in ready:
            frames = heard.recv_multipart()
            if is_passing:
                told.send_multipart(frames)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])

"""Blocks proven by several processes: one is bound to one processor."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from fcntl import F_SETPIPE_SZ, fcntl
from queue import SimpleQueue
from typing import TYPE_CHECKING

from app.adapters.proving_worker import ANSWER, QUESTION
from app.domain.blocks.malformed import MalformedBlockError
from app.domain.blocks.outline import PLACE_BYTES, PLACES, TXID_BYTES, Outline
from app.domain.price.extract import extract_outlined
from app.services.block_proof import InThisProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from app.domain.price.extract import BlockExtract
    from app.services.block_proof import BlockProver

_log = logging.getLogger(__name__)

# With -P only if this process has it: else its first place to look is the directory that it was started in.
_COMMAND = (sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m", "app.adapters.proving_worker")

# More would wait for the node, each of them with a block in its hands.
PROVERS = min(4, len(os.sched_getaffinity(0)))

# As much as a user may have without asking.
_PIPE_BYTES = 1 << 20

# Of each transaction.
_OUTLINE_BYTES = TXID_BYTES + PLACES * PLACE_BYTES

# One proves a block in a fraction of a second, and is idle when it is told to end.
_END_SECONDS = 5.0


class ProvingProcesses:
    """Hands each block to whichever process is idle; one that has died is stood in for by this process."""

    def __init__(self, processes: list[subprocess.Popen[bytes]]) -> None:
        # One more is fetched meanwhile.
        self.at_once = len(processes) + 1
        self._here = InThisProcess()
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for each in processes:
            self._idle.put(each)

    def prove(self, raw: bytes, height: int) -> BlockExtract:
        """Return the extract of the block at `height`; raise MalformedBlockError when it is not sound."""
        process = self._idle.get()
        try:
            is_sound, content = _answer(process, raw)
        except OSError as error:
            _log.warning("a process that proves blocks has died", extra={"reason": str(error)})
            return self._here.prove(raw, height)
        finally:
            self._idle.put(process)
        if not is_sound:
            raise MalformedBlockError(content.decode())
        return extract_outlined(raw, _outline(content), height)


@contextmanager
def proving_processes(count: int) -> Iterator[BlockProver]:
    """Prove blocks with `count` processes while the context lasts; with as many as can be started, if need be none."""
    processes = list(_started(count))
    try:
        yield ProvingProcesses(processes) if processes else InThisProcess()
    finally:
        _end(processes)


def _started(count: int) -> Iterator[subprocess.Popen[bytes]]:
    try:
        for _ in range(count):
            # In a session of its own: Ctrl-C is for us, and they end with their input.
            process = subprocess.Popen(  # noqa: S603 - our own program
                _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
            _widen(process.stdin)
            _widen(process.stdout)
            yield process
    except OSError as error:
        _log.warning("a process that proves blocks cannot be started", extra={"reason": str(error)})


def _widen(pipe: IO[bytes] | None) -> None:
    # A block then changes hands in two steps, and not in thirty with the processor going back and forth.
    if pipe is not None:
        with suppress(OSError):
            fcntl(pipe, F_SETPIPE_SZ, _PIPE_BYTES)


def _outline(content: bytes) -> Outline:
    txids_bytes = len(content) // _OUTLINE_BYTES * TXID_BYTES
    return Outline(content[:txids_bytes], content[txids_bytes:])


def _answer(process: subprocess.Popen[bytes], raw: bytes) -> tuple[bool, bytes]:
    if process.stdin is None or process.stdout is None:
        raise BrokenPipeError("it has no pipes")
    process.stdin.write(QUESTION.pack(len(raw)))
    process.stdin.write(raw)
    process.stdin.flush()
    head = process.stdout.read(ANSWER.size)
    is_sound, size = ANSWER.unpack(head) if len(head) == ANSWER.size else (False, 0)
    content = process.stdout.read(size)
    if not size or len(content) != size:
        raise BrokenPipeError("it ended without an answer")
    if is_sound and size % _OUTLINE_BYTES:
        raise BrokenPipeError("it said what is no outline")
    return is_sound, content


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    # All are told before any is waited for.
    for each in processes:
        for pipe in (each.stdin, each.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
    for each in processes:
        try:
            each.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            each.kill()
            each.wait()

"""Estimates made by two processes side by side: parsing a block keeps a core busy, and threads would share one."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from contextlib import suppress
from itertools import chain, islice
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from app.services.backfill import outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from app.services.backfill import Outcome
    from app.services.onchain_price import OnchainPrice

WORKERS = 2
# Stretches that wait for each worker, so that none waits for the other's.
_AHEAD = 2
_PATIENCE_SECONDS = 5.0


class WorkerLostError(Exception):
    """A worker ended before its work did; what it printed, or the kernel's log, says why."""


class EstimateWorkers:
    """Answers `app.services.backfill.Estimates`.

    The workers hold nothing but the other end of a pipe, and so end when this process does, however it ends.

    Args:
        make: Pickled; makes in each worker what estimates the window up to a height.
        stretch: Heights in a row that are one worker's. Each begins with a whole window, so several windows' worth
            is good; what was estimated and not yet asked for, twice as much a worker, is lost with the process.
    """

    def __init__(self, make: Callable[[], Callable[[int], OnchainPrice]], stretch: int) -> None:
        self._make = make
        self._stretch = stretch

    def __call__(self, heights: Iterable[int]) -> Generator[Outcome, None, None]:
        """Yield for each of `heights`, in their order, the estimate or the error that is in its place."""
        stretches = _stretches(heights, self._stretch)
        workers = [_Worker(self._make) for _ in range(WORKERS)]
        try:
            under_way: deque[tuple[_Worker, int]] = deque()
            for worker, stretch in zip(chain.from_iterable([workers] * _AHEAD), stretches, strict=False):
                under_way.append((worker, worker.give(stretch)))
            while under_way:
                worker, count = under_way.popleft()
                for _ in range(count):
                    while not worker.outcomes:
                        _receive(workers)
                    yield worker.outcomes.popleft()
                for stretch in islice(stretches, 1):
                    under_way.append((worker, worker.give(stretch)))
        finally:
            for worker in workers:
                worker.end()


def _stretches(heights: Iterable[int], length: int) -> Iterator[list[int]]:
    source = iter(heights)
    while stretch := list(islice(source, length)):
        yield stretch


def _receive(workers: Iterable[_Worker]) -> None:
    """Take what whichever of the workers has; a full pipe would make it wait for the other."""
    by_pipe = {worker.pipe: worker for worker in workers}
    for pipe in wait(list(by_pipe)):
        by_pipe[pipe].receive()  # type: ignore[index] # wait gives back what it was given


class _Worker:
    """A process that estimates, and what it has sent."""

    def __init__(self, make: Callable[[], Callable[[int], OnchainPrice]]) -> None:
        # Spawned: a forked one would inherit locks of threads that it does not have, and the other's pipe.
        spawning = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawning.Pipe()
        self.outcomes: deque[Outcome] = deque()
        self._process: BaseProcess = spawning.Process(target=_work, args=(theirs, make), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, heights: list[int]) -> int:
        try:
            self.pipe.send(heights)
        except OSError:
            raise self._lost() from None
        return len(heights)

    def receive(self) -> None:
        try:
            self.outcomes.append(self.pipe.recv())
        except (EOFError, OSError):
            raise self._lost() from None

    def end(self) -> None:
        self.pipe.close()
        self._process.terminate()
        self._process.join(_PATIENCE_SECONDS)

    def _lost(self) -> WorkerLostError:
        self._process.join(_PATIENCE_SECONDS)
        return WorkerLostError(f"a process that estimates has ended with {self._process.exitcode}")


def _work(pipe: Connection, make: Callable[[], Callable[[int], OnchainPrice]]) -> None:
    # Ctrl-C on a terminal goes to all; it is for the one that writes the rows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    estimate_at = make()
    with suppress(EOFError, OSError):
        while True:
            for height in pipe.recv():
                pipe.send(outcome_of(estimate_at, height))

"""The port through which many blocks are proven, at best on all processors, and what is there without one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from app.domain.blocks.block import read_block
from app.domain.price.extract import extract_block

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.domain.price.extract import BlockExtract

Result = TypeVar("Result")


class BlockProver(Protocol):
    """Proves blocks and extracts what is kept of them; may be called by `at_once` threads."""

    @property
    def at_once(self) -> int:
        """How many blocks should be under way, so that it never waits for one."""

    def prove(self, raw: bytes, height: int) -> BlockExtract:
        """Return the extract of the block at `height`; raise MalformedBlockError when it is not sound."""


class InThisProcess:
    """One block after the other."""

    at_once = 1

    def prove(self, raw: bytes, height: int) -> BlockExtract:
        """Return the extract of the block at `height`."""
        return extract_block(read_block(raw), height)


# Makes provers for as long as the context lasts.
Provers: TypeAlias = Callable[[], AbstractContextManager[BlockProver]]


def in_this_process() -> AbstractContextManager[BlockProver]:
    """Return a prover for as long as the context lasts."""
    return nullcontext(InThisProcess())


def done_ahead(jobs: Iterable[Callable[[], Result]], at_once: int) -> Iterator[Result]:
    """Yield what each of `jobs` returns, in order, or raise what it raises; `at_once` of them are under way.

    Who stops listening is not held up: the jobs under way end by themselves, with the process at the latest.
    """
    if at_once == 1:
        yield from (job() for job in jobs)
        return
    given: SimpleQueue[tuple[Callable[[], Result], Future[Result]] | None] = SimpleQueue()
    for _ in range(at_once):
        threading.Thread(target=_work, args=(given,), daemon=True).start()
    ahead: deque[Future[Result]] = deque()
    try:
        for job in jobs:
            ahead.append(Future())
            given.put((job, ahead[-1]))
            if len(ahead) == at_once:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        for _ in range(at_once):
            given.put(None)


def _work(given: SimpleQueue[tuple[Callable[[], Result], Future[Result]] | None]) -> None:
    while (task := given.get()) is not None:
        job, future = task
        try:
            future.set_result(job())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
            future.set_exception(error)

"""Answers that took long to make, kept for whoever asks the same; made once, however many ask at the same time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.web.compression import Compressed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheBounds:
    """How much is kept; what was not asked for the longest goes first."""

    answers: int = 64
    compressed_bytes: int = 12_000_000


class AnswerCache:
    """Keeps answers by a key that names everything that they are made of."""

    def __init__(self, bounds: CacheBounds | None = None) -> None:
        self._bounds = bounds or CacheBounds()
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Compressed] = OrderedDict()
        self._kept_bytes = 0
        self._in_the_making: dict[Hashable, Future[Compressed]] = {}

    def get(self, key: Hashable, make: Callable[[], Compressed]) -> Compressed:
        """Return the answer of `key`, made by `make` if there is none; who asks meanwhile waits for it.

        An error of `make` is raised for all of them, and forgotten.
        """
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept
            others = self._in_the_making.get(key)
            if others is None:
                ours = self._in_the_making[key] = Future[Compressed]()
        return others.result() if others is not None else self._made(key, make, ours)

    def _made(self, key: Hashable, make: Callable[[], Compressed], future: Future[Compressed]) -> Compressed:
        try:
            answer = make()
        except BaseException as error:
            self._done(key)
            future.set_exception(error)
            raise
        self._done(key, answer)
        future.set_result(answer)
        return answer

    def _done(self, key: Hashable, answer: Compressed | None = None) -> None:
        with self._lock:
            del self._in_the_making[key]
            if answer is None:
                return
            self._kept[key] = answer
            self._kept_bytes += len(answer.body)
            while len(self._kept) > self._bounds.answers or self._kept_bytes > self._bounds.compressed_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._kept_bytes -= len(dropped.body)

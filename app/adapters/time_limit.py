"""A limit on the time that work may take which cannot be interrupted."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class TimeLimitError(Exception):
    """The work was not done in time."""


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """Return what `work` returns, or raise what it raises; raise TimeLimitError when it takes longer than `seconds`.

    It then goes on in a thread that ends with the process at the latest: meant for processes that end soon. Bounds
    on single waits do not add up to one on all of them, and a byte now and then keeps a connection alive for ever.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    if not wait([future], seconds).done:
        raise TimeLimitError(f"not done within {seconds:g} s")
    return future.result()

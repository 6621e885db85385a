"""Steps that may fail, and are tried again without keeping others from being taken."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from app.services.block_source import OnchainPriceError
from app.services.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.services.whales.clocks import Clocks
    from app.services.whales.condition import Condition

_log = logging.getLogger(__name__)

# After a failure, until anything else is asked of the same one, and until the same is.
_OTHERS_SECONDS, _SAME_SECONDS = 0.25, 0.5


class Failure(NamedTuple):
    """What a step lacked, and by the monotonic clock since when."""

    kind: str
    at_seconds: float


class Attempts:
    """Takes steps, and says in `condition` what they lack: `node` or `store`."""

    def __init__(self, condition: Condition, clocks: Clocks) -> None:
        self._condition = condition
        self._clocks = clocks
        self._failures: dict[Callable[[], None], Failure] = {}

    @property
    def is_held_up(self) -> bool:
        """Whether anything failed, and has not succeeded since."""
        return bool(self._failures)

    def take(self, step: Callable[[], None], *kinds: str) -> bool:
        """Take a step that needs these, unless one of them failed just now; return whether it was taken."""
        now_seconds = self._clocks.seconds()
        if any(self._is_too_soon(step, failed, now_seconds, kinds) for failed in self._failures):
            return False
        try:
            step()
        except OnchainPriceError as error:
            self._fail(step, "node", str(error))
            return False
        except StorageError as error:
            self._fail(step, "store", str(error))
            return False
        self._succeed(step)
        return True

    def _is_too_soon(
        self, step: Callable[[], None], failed: Callable[[], None], now_seconds: float, kinds: tuple[str, ...]
    ) -> bool:
        failure = self._failures[failed]
        wait_seconds = _SAME_SECONDS if step == failed else _OTHERS_SECONDS
        return failure.kind in kinds and now_seconds - failure.at_seconds < wait_seconds

    def _fail(self, step: Callable[[], None], kind: str, problem: str) -> None:
        self._succeed(step, unless=kind)
        # Now, not when the step began: whoever waited in vain is not to wait for another one at once.
        self._failures[step] = Failure(kind, self._clocks.seconds())
        if self._condition.set(kind, problem):
            _log.warning("the detector waits", extra={"for": kind, "reason": problem})

    def _succeed(self, step: Callable[[], None], unless: str | None = None) -> None:
        """Forget what the step lacked, and that it is lacking once nothing lacks it."""
        before = self._failures.pop(step, None)
        if before is None or before.kind == unless or any(each.kind == before.kind for each in self._failures.values()):
            return
        if self._condition.set(before.kind, None):
            _log.info("the detector goes on", extra={"waited_for": before.kind})

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

# Until what failed is tried again. If it took long to fail, it is left alone for as long, lest nothing else be done;
# but not so long that a node which answers again would be polled less often than every five seconds.
_AGAIN_SECONDS, _MOST_SECONDS = 0.5, 4.0
# What took so long to fail most likely waited in vain. Then one listens for as long before anything else may do so.
_PAUSE_SECONDS = 0.25
# After a pause, until everything has been offered once more.
_ROUND_SECONDS = 1.0


class Failure(NamedTuple):
    """What a step lacked, and by the monotonic clock when it may be taken again."""

    kind: str
    again_at_seconds: float


class Pause(NamedTuple):
    """After a step that took long to fail, until when by the monotonic clock."""

    step: Callable[[], None]
    until_seconds: float


class Attempts:
    """Takes steps, and says in `condition` what they lack: `node` or `store`.

    They are offered in the same order again and again. What fails at once holds up nobody. After one that waited in
    vain those that come next are taken first: whatever hangs, each of the others has its turn.
    """

    def __init__(self, condition: Condition, clocks: Clocks) -> None:
        self._condition = condition
        self._clocks = clocks
        self._failures: dict[Callable[[], None], Failure] = {}
        self._pauses: dict[str, Pause] = {}

    @property
    def is_held_up(self) -> bool:
        """Whether anything failed, and has not succeeded since."""
        return bool(self._failures)

    def take(self, step: Callable[[], None], *kinds: str) -> bool:
        """Take a step that needs these, unless it has to wait; return whether it was taken."""
        now_seconds = self._clocks.seconds()
        if self._has_to_let_pass(step, now_seconds, kinds) or self._is_too_soon(step, now_seconds, kinds):
            return False
        try:
            step()
        except OnchainPriceError as error:
            self._fail(step, "node", str(error), now_seconds)
            return False
        except StorageError as error:
            self._fail(step, "store", str(error), now_seconds)
            return False
        self._succeed(step)
        return True

    def _is_too_soon(self, step: Callable[[], None], now_seconds: float, kinds: tuple[str, ...]) -> bool:
        failure = self._failures.get(step)
        return failure is not None and failure.kind in kinds and now_seconds < failure.again_at_seconds

    def _has_to_let_pass(self, step: Callable[[], None], now_seconds: float, kinds: tuple[str, ...]) -> bool:
        """Return whether there is a pause, or it is the turn of those that come after what led to it."""
        for kind in kinds:
            pause = self._pauses.get(kind)
            if pause is None:
                continue
            if now_seconds < pause.until_seconds:
                return True
            if step != pause.step and now_seconds < pause.until_seconds + _ROUND_SECONDS:
                return True
            del self._pauses[kind]
        return False

    def _fail(self, step: Callable[[], None], kind: str, problem: str, began_seconds: float) -> None:
        self._succeed(step, unless=kind)
        # From now on, not from when the step began: whoever waited in vain is not to wait for another one at once.
        now_seconds = self._clocks.seconds()
        taken_seconds = now_seconds - began_seconds
        again_seconds = min(max(_AGAIN_SECONDS, taken_seconds), _MOST_SECONDS)
        self._failures[step] = Failure(kind, now_seconds + again_seconds)
        if taken_seconds >= _PAUSE_SECONDS:
            self._pauses[kind] = Pause(step, now_seconds + _PAUSE_SECONDS)
        if self._condition.set(kind, problem):
            _log.warning("the detector waits", extra={"for": kind, "reason": problem})

    def _succeed(self, step: Callable[[], None], unless: str | None = None) -> None:
        """Forget what the step lacked, and that it is lacking once nothing lacks it."""
        before = self._failures.pop(step, None)
        if before is None or before.kind == unless or any(each.kind == before.kind for each in self._failures.values()):
            return
        if self._condition.set(before.kind, None):
            _log.info("the detector goes on", extra={"waited_for": before.kind})

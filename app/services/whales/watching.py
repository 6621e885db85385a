"""The detector at work: turn after turn, with a sign of life to everybody who waits for one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from app.services.heartbeats import Heartbeat
from app.services.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.services.heartbeats import Heartbeats
    from app.services.supervision import Supervisor
    from app.services.whales.clocks import Clocks
    from app.services.whales.condition import Condition
    from app.services.whales.detector import Detector
    from app.services.whales.mempool_node import MempoolStream

_log = logging.getLogger(__name__)

SERVICE = "detector"
_MOST_MESSAGES = 1_000
# For which a quiet stream is listened to before the next turn.
_IDLE_SECONDS = 0.2
_BEAT_SECONDS = 10.0
_ALIVE_SECONDS = 1.0
# Of the limit on memory, from which on fewer whales are followed.
_MEMORY_SHARE = 0.85
_FEWER = 0.5


class SignOfLife:
    """Tells systemd and health that the detector is at work, and how.

    Args:
        heartbeats: Where health reads it.
        supervisor: systemd.
        host: Name of this machine.
        clocks: The time.
    """

    def __init__(self, heartbeats: Heartbeats, supervisor: Supervisor, host: str, clocks: Clocks) -> None:
        self._heartbeats = heartbeats
        self._supervisor = supervisor
        self._host = host
        self._clocks = clocks
        self._alive_at = self._beat_at = -_BEAT_SECONDS
        self._told: object = None

    def give(self, condition: Condition) -> None:
        """Tell whoever is due; what health is told is told at once when it has changed."""
        now_seconds = self._clocks.seconds()
        if now_seconds - self._alive_at >= _ALIVE_SECONDS:
            self._alive_at = now_seconds
            self._supervisor.alive()
        problems = sorted(condition.problems)
        if now_seconds - self._beat_at < (_BEAT_SECONDS if problems == self._told else _ALIVE_SECONDS):
            return
        self._beat_at, self._told = now_seconds, problems
        try:
            self._heartbeats.beat(
                Heartbeat(SERVICE, self._host, self._clocks.now(), condition.state, condition.detail())
            )
        except StorageError:
            # The detector says so itself, and health sees that the last word gets old.
            _log.debug("no heartbeat")


class Watching:
    """Feeds a detector with what its stream says.

    Args:
        detector: The detector.
        stream: What it hears; None when there is none to listen to.
        sign_of_life: Told after each turn.
        used_bytes: Of memory by this process; None when that cannot be had.
        limit_bytes: That it may use.
        sleep: Waits for so many seconds.
    """

    def __init__(  # noqa: PLR0913 - the parts that it connects, every one named
        self,
        *,
        detector: Detector,
        stream: MempoolStream | None,
        sign_of_life: SignOfLife,
        used_bytes: Callable[[], int | None],
        limit_bytes: int,
        sleep: Callable[[float], None],
    ) -> None:
        self._detector = detector
        self._stream = stream
        self._sign_of_life = sign_of_life
        self._used_bytes = used_bytes
        self._limit_bytes = limit_bytes
        self._sleep = sleep
        self._turns = 0

    def turn(self) -> None:
        """Listen, and do what follows."""
        idle_seconds = 0.0 if self._detector.has_work else _IDLE_SECONDS
        if self._stream is None:
            self._sleep(idle_seconds)
            self._detector.hear([], is_connected=False)
        else:
            heard = self._stream.receive(idle_seconds, _MOST_MESSAGES)
            self._detector.hear(heard, is_connected=self._stream.is_connected)
        self._detector.turn()
        self._mind_the_memory()
        self._sign_of_life.give(self._detector.condition)

    def _mind_the_memory(self) -> None:
        self._turns += 1
        if self._turns % 100:
            return
        used_bytes = self._used_bytes()
        if used_bytes is None:
            return
        if used_bytes > _MEMORY_SHARE * self._limit_bytes:
            self._detector.keep_fewer(_FEWER)
        else:
            self._detector.keep_all()

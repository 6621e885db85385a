"""The detector at work: turn after turn, with a sign of life to everybody who waits for one."""

from __future__ import annotations

import logging
import math
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
    from app.services.whales.scores import Scores

_log = logging.getLogger(__name__)

SERVICE = "detector"
_MOST_MESSAGES = 1_000
# For which a quiet stream is listened to before the next turn.
_IDLE_SECONDS = 0.2
_BEAT_SECONDS = 10.0
_MEMORY_SECONDS = 5.0
_LEFTOVERS_SECONDS = 1.0
# From which on a second is long enough: to give memory back takes a millisecond or two, and to take it again as well.
_LEFTOVERS_BYTES = 2 * 1024 * 1024
_SCORES_SECONDS = 60.0
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
        word = (sorted(condition.problems), condition.figures.get("source"))
        if now_seconds - self._beat_at < (_BEAT_SECONDS if word == self._told else _ALIVE_SECONDS):
            return
        self._beat_at, self._told = now_seconds, word
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
        stream: What it hears.
        scores: Kept up to date now and then.
        sign_of_life: Told after each turn.
        clocks: The time.
        give_back: Returns memory to the machine that is free.
        used_bytes: Of memory by this process; None when that cannot be had.
        limit_bytes: That it may use.
    """

    def __init__(  # noqa: PLR0913 - the parts that it connects, every one named
        self,
        *,
        detector: Detector,
        stream: MempoolStream,
        scores: Scores,
        sign_of_life: SignOfLife,
        clocks: Clocks,
        give_back: Callable[[], None],
        used_bytes: Callable[[], int | None],
        limit_bytes: int,
    ) -> None:
        self._detector = detector
        self._stream = stream
        self._sign_of_life = sign_of_life
        self._give_back = give_back
        self._used_bytes = used_bytes
        self._limit_bytes = limit_bytes
        self._scores = scores
        self._clocks = clocks
        self._scored_at = self._minded_at = self._cleared_at = -math.inf
        # What was in use when memory was minded.
        self._needed_bytes = 0

    def turn(self) -> None:
        """Listen, and do what follows."""
        idle_seconds = 0.0 if self._detector.has_work else _IDLE_SECONDS
        heard = self._stream.receive(idle_seconds, _MOST_MESSAGES)
        self._detector.hear(heard, is_connected=self._stream.is_connected)
        self._detector.turn()
        now_seconds = self._clocks.seconds()
        if now_seconds - self._minded_at >= _MEMORY_SECONDS:
            self._minded_at = self._cleared_at = now_seconds
            self._mind_the_memory()
        if now_seconds - self._cleared_at >= _LEFTOVERS_SECONDS:
            self._cleared_at = now_seconds
            self._clear_leftovers()
        if now_seconds - self._scored_at >= _SCORES_SECONDS:
            self._scored_at = now_seconds
            self._keep_scores()
        self._sign_of_life.give(self._detector.condition)

    def close(self) -> None:
        """Listen no longer."""
        self._stream.close()

    def _mind_the_memory(self) -> None:
        # Whales are not to be let go for the sake of what a burst of messages has left behind.
        self._give_back()
        used_bytes = self._used_bytes()
        if used_bytes is None:
            return
        self._needed_bytes = used_bytes
        if used_bytes > _MEMORY_SHARE * self._limit_bytes:
            self._detector.keep_fewer(_FEWER)
        else:
            self._detector.keep_all()

    def _clear_leftovers(self) -> None:
        """Give back what a block or a burst of messages took for a moment."""
        used_bytes = self._used_bytes()
        if used_bytes is not None and used_bytes > self._needed_bytes + _LEFTOVERS_BYTES:
            self._give_back()

    def _keep_scores(self) -> None:
        try:
            self._scores.refresh(self._clocks.now())
        except StorageError as error:
            # What happened is in the tables, and is counted the next time.
            _log.debug("no scores", extra={"reason": str(error)})

"""Whether the stream can be relied on, or the mempool has to be asked for again and again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from app.services.whales.half_silence import HalfSilence
from app.services.whales.listening_time import ListeningTime

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.services.whales.limits import DetectorLimits
    from app.services.whales.mempool_node import MempoolNode, Topic

# However much is lost: a snapshot of a full mempool takes the node, and us, a second.
_LEAST_SECONDS = 1.0
# For which the first snapshot waits for the stream: one that was taken before would have to be taken again.
_CONNECT_SECONDS = 2.0
# While what the last one showed is still being read; after more, it is not known any longer what was half heard.
_BUSY_SECONDS = 10.0


class StreamWatch:
    """Knows when the next snapshot is due, and why.

    Args:
        limits: How often, and how long.
        is_wanted: False when the operator turned the stream off: polling is no fault then.
    """

    def __init__(self, limits: DetectorLimits, *, is_wanted: bool) -> None:
        self._limits = limits
        self._is_wanted = is_wanted
        self._is_connected = self._is_silent = False
        self._is_snapshot_owed = False
        self._halves = HalfSilence()
        self._listened = ListeningTime()
        self._heard_at = 0.0
        self._asked_at = 0.0
        self._pulse: object = None
        self._has_changed = False
        self._changed_at: float | None = None
        # At first at once.
        self._snapshot_at = self._taken_at = -math.inf

    @property
    def listened_seconds(self) -> float:
        """For how long, up to now, something could be heard."""
        return self._listened.seconds

    @property
    def is_polling(self) -> bool:
        """Whether the stream cannot be relied on at present."""
        return self.is_unheard or self._halves.mute is not None

    @property
    def is_unheard(self) -> bool:
        """Whether the stream says nothing at all at present."""
        return not self._is_wanted or not self._is_connected or self._is_silent

    @property
    def is_in_doubt(self) -> bool:
        """Whether of what was said lately more may be missing than the next snapshot shows by itself."""
        return self._is_snapshot_owed or self._halves.is_one_alone or self.is_polling

    def problem(self, now_seconds: float) -> str | None:
        """Return what is wrong with the stream, in words for operators; None when nothing is, or has been for long."""
        if not self._is_wanted or not self.is_polling:
            return None
        if self._is_silent:
            return "the node's ZMQ stream is silent although its mempool changes; polling"
        if self._is_connected:
            return f"half of the node's ZMQ stream is silent: nothing comes by {self._halves.mute}; polling"
        if self._changed_at is None or now_seconds - self._changed_at < self._limits.poll_seconds:
            return None
        return "there is no connection to the node's ZMQ stream; polling"

    def note(self, messages: int, now_seconds: float, *, is_connected: bool) -> None:
        """Note what a turn brought."""
        self._listened.note(now_seconds)
        if messages:
            self._heard_at = now_seconds
            self._pulse, self._has_changed = None, False
            if self._is_silent:
                self._is_silent = False
                self.resynchronise(now_seconds)
        if self._changed_at is None or is_connected != self._is_connected:
            self._is_connected, self._changed_at = is_connected, now_seconds
            self.resynchronise(now_seconds)

    def compare(self, topics: Collection[Topic], now_seconds: float) -> None:
        """Note what a turn brought messages about: each half of the stream has to have its say."""
        if self._halves.note(topics, self.listened_seconds):
            self.resynchronise(now_seconds)

    def resynchronise(self, now_seconds: float) -> None:
        """Something may be missing: a snapshot is due, unless the last one was taken just now."""
        self._is_snapshot_owed = True
        self._snapshot_at = min(self._snapshot_at, max(now_seconds, self._taken_at + _LEAST_SECONDS))

    def is_snapshot_due(self, now_seconds: float, *, is_busy: bool) -> bool:
        """Return whether a snapshot is to be taken now; `is_busy`: the last one has not been read to its end."""
        if self._is_about_to_begin(now_seconds):
            return False
        if is_busy and (self.is_unheard or now_seconds - self._taken_at < _BUSY_SECONDS):
            return False
        return now_seconds >= self._snapshot_at

    def snapshot_taken(self, now_seconds: float) -> None:
        """Plan the next one."""
        self._taken_at, self._is_snapshot_owed = now_seconds, False
        self._snapshot_at = now_seconds + (
            self._limits.poll_seconds if self.is_polling else self._limits.safety_seconds
        )

    def listen(self, node: MempoolNode, waiting: int, now_seconds: float) -> None:
        """Find out whether a stream that says nothing has nothing to say; may raise NodeError.

        Args:
            node: Is asked.
            waiting: How many transactions are in the mempool, as far as we know.
            now_seconds: By the monotonic clock.
        """
        if self.is_polling or now_seconds - max(self._heard_at, self._asked_at) < self._limits.silence_seconds:
            return
        pulse = node.pulse()
        self._asked_at = now_seconds
        if self._pulse is None:
            self._pulse = pulse
            if waiting <= self._limits.most_reread:
                # From here on changes show; the words that were the last to be swallowed do not.
                self.resynchronise(now_seconds)
        elif self._has_changed:
            # It changed before the last time of asking: the message about it would have come by now.
            self._is_silent, self._has_changed = True, False
            self._snapshot_at = now_seconds
        else:
            self._has_changed = pulse != self._pulse

    def _is_about_to_begin(self, now_seconds: float) -> bool:
        """Return whether the first connection may still come so soon that the first snapshot can wait for it."""
        if not self._is_wanted or self._is_connected or self._changed_at is None or self._taken_at > -math.inf:
            return False
        return now_seconds - self._changed_at < _CONNECT_SECONDS

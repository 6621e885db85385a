"""The ports through which a writer wakes those who follow the event log.

A ring carries nothing: whoever hears it reads the log. One that is lost costs a follower its poll interval.
"""

from __future__ import annotations

from typing import Protocol


class Doorbell(Protocol):
    """The writer's side."""

    def ring(self) -> None:
        """Wake every follower; to be called after the commit. Never fails, never waits."""


class Hearing(Protocol):
    """The follower's side."""

    def wait(self, timeout_seconds: float) -> bool:
        """Return as soon as somebody has rung, or after `timeout_seconds`; whether somebody had."""

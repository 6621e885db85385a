"""The port through which services say that they are at work, and others hear it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from datetime import datetime

State = Literal["ok", "degraded", "failed"]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last word of a service on one host; `detail` is JSON, for people."""

    service: str
    host: str
    beat_at: datetime
    state: State
    detail: dict[str, Any]


class Heartbeats(Protocol):
    """The table `service_heartbeats`. Every method may raise StorageError."""

    def beat(self, heartbeat: Heartbeat) -> None:
        """Put `heartbeat` in place of the one before of its service and host."""

    def last(self, service: str) -> Heartbeat | None:
        """Return the newest of `service`, of whichever host; None when it has never been at work."""

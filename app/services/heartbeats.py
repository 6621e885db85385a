"""The port through which services tell when they were last at work, and how it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

State = Literal["ok", "degraded", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What a service said last; `detail` is JSON of its own choice, shown to operators."""

    service: str
    host: str
    beat_at: datetime
    state: State
    detail: dict[str, Any]


class Heartbeats(Protocol):
    """The table `service_heartbeats`: one row a service and host."""

    def beat(self, heartbeat: Heartbeat) -> None:
        """Keep `heartbeat` in place of the last one of that service on that host."""

    def of(self, service: str) -> Sequence[Heartbeat]:
        """Return the last heartbeat of `service` on each host, newest first."""

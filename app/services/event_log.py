"""The event log: the one bus between the processes (architecture, decision 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One entry; ids are in commit order and never used twice."""

    id: int
    type: str
    created_at: datetime
    payload: dict[str, Any]


class EventLog(Protocol):
    """Reading side; entries are appended by the adapters, in the transaction of the rows they describe."""

    def identity(self) -> str:
        """Return the log's identity; a restored log has a new one, and clients must resynchronise."""

    def news(self, event_id: int, limit: int) -> tuple[str, Sequence[Event]]:
        """Return `identity` and what `after` returns, as they were at one moment, for the price of one."""

    def last_id(self) -> int:
        """Return the id of the newest entry, 0 in an empty log."""

    def after(self, event_id: int, limit: int) -> Sequence[Event]:
        """Return up to `limit` entries with ids above `event_id`, oldest first."""

    def last_before(self, moment: datetime) -> int:
        """Return the id of the newest entry that was made before `moment`, 0 if there is none."""

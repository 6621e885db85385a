"""Following the event log: every entry once, in order, whatever happens to the database meanwhile."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Protocol

from app.services.storage import StorageError

if TYPE_CHECKING:
    from app.services.doorbell import Hearing
    from app.services.event_log import Event, EventLog

_log = logging.getLogger(__name__)

_BATCH = 500


class Audience(Protocol):
    """Those to whom the log is told."""

    def begin(self, identity: str, position: int) -> None:
        """Expect entries after `position` of the log `identity`; those heard before are of another log."""

    def publish(self, event: Event) -> None:
        """Take the next entry."""

    def degraded(self, reason: str) -> None:
        """Take notice that entries are late from now on."""

    def recovered(self) -> None:
        """Take notice that entries are no longer late."""


class LogFollower:
    """Reads on from its position whenever the doorbell rings, and otherwise every `poll_seconds`."""

    def __init__(self, log: EventLog, hearing: Hearing, audience: Audience, poll_seconds: float = 1.0) -> None:
        self._log = log
        self._hearing = hearing
        self._audience = audience
        self._poll_seconds = poll_seconds
        self._identity: str | None = None
        self._position = 0
        self._is_degraded = False

    def run(self) -> None:
        """Follow for ever."""
        while True:
            self.step()
            self._wait()

    def step(self) -> None:
        """Read what has come since the last step; without a database, say so once and try again next time."""
        try:
            self._read_on()
        except StorageError as error:
            self._falter("database", error)
        except Exception as error:  # noqa: BLE001 - all clients depend on this loop; it outlives the unforeseen too
            _log.exception("following the event log failed")
            self._falter("internal", error)

    def _wait(self) -> None:
        try:
            self._hearing.wait(self._poll_seconds)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("listening for the doorbell failed")
            time.sleep(self._poll_seconds)

    def _read_on(self) -> None:
        identity, batch = self._log.news(self._position, _BATCH)
        if identity != self._identity:
            self._position = self._log.last_id()
            self._identity = identity
            batch = []
            self._audience.begin(identity, self._position)
        if self._is_degraded:
            self._is_degraded = False
            _log.info("the event log can be read again", extra={"event_id": self._position})
            self._audience.recovered()
        while batch:
            for event in batch:
                self._position = event.id
                self._audience.publish(event)
            batch = self._log.after(self._position, _BATCH) if len(batch) == _BATCH else []

    def _falter(self, reason: str, error: Exception) -> None:
        if not self._is_degraded:
            self._is_degraded = True
            _log.error("the event log cannot be read", extra={"error": str(error)})
            self._audience.degraded(reason)

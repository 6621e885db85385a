"""Sending a client again what it missed: a little at a time, and as fast as it reads."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import gevent

from app.services.storage import StorageError
from app.web import stream_messages as messages
from app.web.close_codes import Close

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.services.event_log import Event
    from app.web.stream_connection import Connection
    from app.web.stream_filter import WhaleFilter
    from app.web.stream_hub import Hub
    from app.web.stream_limits import StreamLimits
    from app.web.stream_outbox import Outbox

_log = logging.getLogger(__name__)

# Of alerts, about what there is always room for once there is any; half a millisecond to read.
_BATCH = 30
_RETRY_SECONDS = 1.0


@dataclass(slots=True, eq=False, kw_only=True)
class Replay:
    """One wish of a client to have what came after an event.

    It keeps nothing while it waits: a client that reads slowly has its entries read again from the log.

    Attributes:
        connection: The client's; its subscription goes live when all was sent.
        outbox: Of the same.
        hub: Its position is the border: entries up to it are sent here, later ones are delivered.
        limits: How old an entry may be, and how long the client may take.
        wanted: Which entries; None for all.
        cursor: Id of the last entry that the client has, or does not want.
    """

    connection: Connection
    outbox: Outbox
    hub: Hub
    limits: StreamLimits
    wanted: WhaleFilter | None
    cursor: int
    _is_over: bool = field(default=False, init=False)

    def run(self) -> None:
        """Send until there is nothing more, or until `stop`."""
        step = self._check_start
        while not self._is_over:
            try:
                step()
                step = self._read_on
            except StorageError:
                gevent.sleep(_RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - a client that waits for ever would believe that nothing happens
                _log.exception("sending again what a client missed failed")
                self.connection.close(
                    Close.FAILED, "what was missed cannot be sent; connect again without last_event_id"
                )
                return

    def stop(self) -> None:
        """Send nothing more, and wait for nothing."""
        if not self._is_over:
            self._is_over = True
            self.outbox.wake()

    def _check_start(self) -> None:
        """Tell the client if it cannot be sent all that it missed, and begin with what it can be sent."""
        since = datetime.now(UTC) - self.limits.replay_age
        with self.hub.readers.one():
            # A wish may have been given up while it waited for its turn, and costs nothing then.
            if self._is_over:
                return
            is_unknown = self.cursor > self.hub.position and self.cursor > self.hub.log.last_id()
            around = self.hub.log.after(max(0, self.cursor - 1), 2)
            is_pruned = self.cursor > 0 and not any(event.id == self.cursor for event in around)
            is_too_old = is_pruned or any(event.id > self.cursor and event.created_at < since for event in around)
            # To read all that is too old, and send none of it, could take minutes.
            first = self.hub.log.last_before(since) if is_too_old and not is_unknown else 0
            if self._is_over:
                return
            if is_unknown:
                self.connection.subscription.resync("unknown_event")
                self._go_live(self.hub.position)
            elif is_too_old:
                self.connection.subscription.resync("too_old")
                self.cursor = max(self.cursor, first)

    def _read_on(self) -> None:
        has_room = self.outbox.wait_for_room(self.limits.stall_seconds)
        if self._is_over:
            return
        if not has_room:
            self.connection.fall_behind()
            return
        with self.hub.readers.one():
            if self._is_over:
                return
            border = self.hub.position
            batch = self.hub.log.after(self.cursor, _BATCH)
            if self._is_over:
                return
            is_all_sent = self._send(batch)
            # Nothing was published since the batch was read, so it ends where the hub goes on.
            if is_all_sent and len(batch) < _BATCH and border == self.hub.position:
                self._go_live(self.cursor)

    def _send(self, batch: Sequence[Event]) -> bool:
        """Send what of `batch` was published and there is room for, but one entry at least; return whether it was all.

        Entries that were not published yet do not count.
        """
        frames: list[bytes] = []
        left_bytes = self.outbox.free_bytes
        for event in batch:
            if event.id > self.hub.position:
                break
            frame = messages.event_frame(event) if self._is_due(event) else b""
            left_bytes -= len(frame)
            if left_bytes < 0 and any(frames):
                self.outbox.send(b"".join(frames))
                return False
            frames.append(frame)
            self.cursor = event.id
        if any(frames):
            self.outbox.send(b"".join(frames))
        return True

    def _is_due(self, event: Event) -> bool:
        return event.type in messages.STREAMED and (self.wanted is None or self.wanted.lets_through(event))

    def _go_live(self, position: int) -> None:
        # What was sent last may have ended the connection.
        if not self._is_over:
            self.connection.subscription.go_live(position)

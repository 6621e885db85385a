"""Which events a client is due: those it missed, then each as it comes, none twice and none left out."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import gevent

from app.services.storage import StorageError
from app.web import stream_messages as messages
from app.web.close_codes import Close
from app.web.giving_way import give_way
from app.web.stream_filter import WhaleFilter

if TYPE_CHECKING:
    from app.services.event_log import Event
    from app.web.stream_broadcast import Bundle
    from app.web.stream_connection import Connection
    from app.web.stream_hub import Hub
    from app.web.stream_limits import StreamLimits
    from app.web.stream_outbox import Outbox

_log = logging.getLogger(__name__)

_BATCH = 200
_RETRY_SECONDS = 1.0
_STALL_SECONDS = 30.0


class Subscription:
    """Catches up by reading the log, and then takes what the hub delivers.

    The hub's position is the border: entries up to it are read here until the cursor has come there, later ones are
    delivered. Going over to delivery happens without giving way to the hub in between.
    """

    __slots__ = (
        "_connection",
        "_cursor",
        "_filter",
        "_hub",
        "_is_live",
        "_is_wanted",
        "_limits",
        "_outbox",
        "_turn",
    )

    def __init__(self, connection: Connection, outbox: Outbox, hub: Hub, limits: StreamLimits) -> None:
        self._connection = connection
        self._outbox = outbox
        self._hub = hub
        self._limits = limits
        self._filter: WhaleFilter | None = None
        self._cursor = 0
        self._is_live = False
        # Each wish of the client is a turn; a catching up of an earlier turn gives up.
        self._turn = 0
        self._is_wanted = False

    def begin(self, wish: messages.Subscribe) -> None:
        """Subscribe from now, or from after `last_event_id`; an earlier subscription ends."""
        # What was published before this wish is due by the earlier one.
        self._hub.tell(self._connection)
        self.end()
        self._is_wanted = True
        self._filter = WhaleFilter.of(wish.filters)
        self._outbox.send(messages.frame(messages.Connection(status="subscribed")))
        if wish.log_identity not in {None, self._hub.identity}:
            self.resync("log_replaced")
            self._go_live()
        elif wish.last_event_id is None:
            self._go_live()
        else:
            self._cursor = wish.last_event_id
            gevent.spawn(self._catch_up, self._turn)

    def end(self) -> None:
        """Deliver nothing further."""
        self._turn += 1
        self._is_wanted = self._is_live = False

    def resync(self, reason: Literal["log_replaced", "unknown_event", "too_old"]) -> None:
        """Tell the client that it has missed what cannot be sent again."""
        self._outbox.send(messages.frame(messages.ResyncRequired(reason, self._hub.identity, self._hub.position)))

    def restart(self) -> None:
        """Go on in another log than before."""
        self.resync("log_replaced")
        if self._is_wanted:
            self._go_live()

    def deliver(self, bundle: Bundle) -> None:
        """Send what of `bundle` is newer than all that the client was sent, as far as it wants it."""
        cursor = self._cursor
        if self._is_live and cursor < bundle.last_id:
            self._cursor = bundle.last_id
            frames = bundle.after(cursor, self._filter)
            if frames:
                self._outbox.send(frames)

    def _go_live(self) -> None:
        """Go on after the hub's position, whatever came before it."""
        self._turn += 1
        self._cursor = self._hub.position
        self._is_live = True

    def _catch_up(self, turn: int) -> None:
        since = datetime.now(UTC) - self._limits.replay_age
        step = self._check_start
        while self._turn == turn and not self._is_live:
            try:
                step(turn, since)
                step = self._read_on
            except StorageError:
                gevent.sleep(_RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - a client that waits for ever would believe that nothing happens
                _log.exception("sending again what a client missed failed")
                self._connection.close(
                    Close.FAILED, "what was missed cannot be sent; connect again without last_event_id"
                )
                return

    def _check_start(self, turn: int, since: datetime) -> None:
        """Tell the client if it cannot be sent all that it missed."""
        newest_id = self._hub.log.last_id()
        around = self._hub.log.after(max(0, self._cursor - 1), 2)
        if self._turn != turn:
            return
        if self._cursor > max(self._hub.position, newest_id):
            self.resync("unknown_event")
            self._go_live()
            return
        is_pruned = self._cursor > 0 and not any(event.id == self._cursor for event in around)
        if is_pruned or any(event.id > self._cursor and event.created_at < since for event in around):
            self.resync("too_old")

    def _read_on(self, turn: int, since: datetime) -> None:
        border = self._hub.position
        batch = self._hub.log.after(self._cursor, _BATCH)
        for event in batch:
            if self._turn != turn:
                return
            if event.id > self._hub.position:
                break
            if event.created_at >= since and self._is_due(event) and not self._send_again(event, turn):
                return
            self._cursor = event.id
        # Nothing was published since the batch was read, so it ends where the hub goes on.
        self._is_live = self._turn == turn and len(batch) < _BATCH and border == self._hub.position
        if not self._is_live:
            give_way()

    def _is_due(self, event: Event) -> bool:
        return event.type in messages.STREAMED and (self._filter is None or self._filter.lets_through(event))

    def _send_again(self, event: Event, turn: int) -> bool:
        """Send an event once there is room for it; return whether it was sent, and is not of an earlier wish."""
        has_room = self._outbox.wait_for_room(_STALL_SECONDS)
        if self._turn != turn:
            return False
        if has_room:
            self._outbox.send(messages.event_frame(event))
        else:
            self._connection.fall_behind()
        return has_room

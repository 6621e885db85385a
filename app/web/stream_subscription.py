"""Which events a client is due: those it missed, then each as it comes, none twice and none left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import gevent

from app.web import stream_messages as messages
from app.web.stream_filter import WhaleFilter
from app.web.stream_replay import Replay

if TYPE_CHECKING:
    from app.web.stream_broadcast import Bundle
    from app.web.stream_connection import Connection
    from app.web.stream_hub import Hub
    from app.web.stream_limits import StreamLimits
    from app.web.stream_outbox import Outbox


class Subscription:
    """Has a replay send what the client missed, and then takes what the hub delivers.

    Going over from one to the other happens without giving way to the hub in between.
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
        "_replay",
    )

    def __init__(self, connection: Connection, outbox: Outbox, hub: Hub, limits: StreamLimits) -> None:
        self._connection = connection
        self._outbox = outbox
        self._hub = hub
        self._limits = limits
        self._filter: WhaleFilter | None = None
        self._cursor = 0
        self._is_live = False
        self._is_wanted = False
        self._replay: Replay | None = None

    def begin(self, wish: messages.Subscribe) -> None:
        """Subscribe from now, or from after `last_event_id`; an earlier subscription ends."""
        # What was published before this wish is due by the earlier one.
        self._hub.tell(self._connection)
        self.end()
        self._outbox.send(messages.frame(messages.Connection(status="subscribed")))
        if not self._connection.is_open:
            return
        self._is_wanted = True
        self._filter = WhaleFilter.of(wish.filters)
        if wish.log_identity not in {None, self._hub.identity}:
            self.resync("log_replaced")
            self.go_live(self._hub.position)
        elif wish.last_event_id is None:
            self.go_live(self._hub.position)
        else:
            self._replay_after(wish.last_event_id)

    def end(self) -> None:
        """Deliver nothing further."""
        self._is_wanted = self._is_live = False
        self._stop_replay()

    def resync(self, reason: Literal["log_replaced", "unknown_event", "too_old"]) -> None:
        """Tell the client that it has missed what cannot be sent again."""
        self._outbox.send(messages.frame(messages.ResyncRequired(reason, self._hub.identity, self._hub.position)))

    def restart(self) -> None:
        """Go on in another log than before."""
        self.resync("log_replaced")
        if self._is_wanted:
            self.go_live(self._hub.position)

    def go_live(self, position: int) -> None:
        """Take what the hub delivers after `position`, whatever came before it."""
        self._stop_replay()
        self._cursor = position
        self._is_live = True

    def deliver(self, bundle: Bundle) -> None:
        """Send what of `bundle` is newer than all that the client was sent, as far as it wants it."""
        cursor = self._cursor
        if self._is_live and cursor < bundle.last_id:
            self._cursor = bundle.last_id
            frames = bundle.after(cursor, self._filter)
            if frames:
                self._outbox.send(frames)

    def _replay_after(self, event_id: int) -> None:
        self._replay = Replay(
            connection=self._connection,
            outbox=self._outbox,
            hub=self._hub,
            limits=self._limits,
            wanted=self._filter,
            cursor=event_id,
        )
        gevent.spawn(self._replay.run)

    def _stop_replay(self) -> None:
        if self._replay is not None:
            self._replay.stop()
            self._replay = None

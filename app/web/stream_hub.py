"""All clients of the alert stream, and what is told to every one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gevent.event import Event as Signal

from app.web import stream_messages as messages
from app.web.giving_way import Turns
from app.web.stream_broadcast import Broadcast
from app.web.stream_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.services.event_log import Event, EventLog
    from app.services.tokens import Grant
    from app.web.close_codes import Close
    from app.web.stream_connection import Connection


# Two, so that while the database answers one something can be sent to another.
_READERS = 2


class Hub:
    """Takes the entries of `log` from its follower and sends each to all who subscribed.

    What fails with one client ends its connection, and the others are told all the same.

    Attributes:
        log: The log itself, for those who have to catch up.
        readers: Whose turn it is to read it for that: live events must not wait for hundreds who come back at once.
        identity: Of the log.
        position: Id of the newest entry that was published.
        has_begun: Whether the log could be read yet, so that both are known.
    """

    def __init__(self, log: EventLog, heartbeat_seconds: float) -> None:
        self.log = log
        self.readers = Turns(_READERS)
        self.identity = ""
        self.position = 0
        self.has_begun = False
        self._heartbeat_seconds = heartbeat_seconds
        self._degraded_for: str | None = None
        self._all: set[Connection] = set()
        self._known: dict[Connection, Grant] = {}
        self._broadcast = Broadcast(self._known.keys)
        self._last_left = Signal()

    def __len__(self) -> int:
        """Return the number of connections, known or not yet."""
        return len(self._all)

    @property
    def grants(self) -> list[tuple[Connection, Grant]]:
        """Return each client that is known, with what lets it in."""
        return list(self._known.items())

    def grant_of(self, connection: Connection) -> Grant | None:
        """Return what lets a client in; None once it is on its way out, or not known yet."""
        return self._known.get(connection)

    def knows(self, connection: Connection) -> bool:
        """Return whether a client has shown who it is, and is not on its way out."""
        return connection in self._known

    def enter(self, connection: Connection) -> None:
        """Count a connection whose client is not known yet."""
        self._all.add(connection)

    def welcome(self, connection: Connection, grant: Grant) -> None:
        """Greet a client that showed a token, for the first time or again."""
        is_new = connection not in self._known
        self._known[connection] = grant
        connection.send(
            messages.frame(
                messages.Welcome(
                    messages.PROTOCOL, self.identity, self.position, grant.expires_at, self._heartbeat_seconds
                )
            )
        )
        if is_new and self._degraded_for:
            connection.send(self._degraded_frame(self._degraded_for))

    def part(self, connection: Connection) -> None:
        """Tell a connection nothing more: it is being closed, but its socket is not gone yet."""
        self._known.pop(connection, None)

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        self._all.discard(connection)
        self._known.pop(connection, None)
        if not self._all:
            self._last_left.set()

    def close_all(self, code: Close, reason: str, timeout_seconds: float) -> None:
        """Close every connection, and wait that long for the clients to have read why."""
        self._last_left.clear()
        _each(self._all, lambda connection: connection.close(code, reason))
        if self._all:
            self._last_left.wait(timeout_seconds)

    def begin(self, identity: str, position: int) -> None:
        """Take over the position in a log; in another one than before, every client must resynchronise."""
        self.identity, self.position = identity, position
        self._broadcast.clear()
        if self.has_begun:
            _each(self._known, lambda connection: connection.subscription.restart())
        self.has_begun = True

    def publish(self, event: Event) -> None:
        """Send an entry to every subscriber soon, the earlier ones before; waits while those are too many."""
        if event.type in messages.STREAMED:
            self._broadcast.add(event, messages.event_frame(event))
        self.position = event.id

    def tell(self, connection: Connection) -> None:
        """Send one subscriber at once what was published and not sent yet."""
        self._broadcast.tell(connection)

    def degraded(self, reason: str) -> None:
        """Tell every client that events are late."""
        self._degraded_for = reason
        self._tell(self._degraded_frame(reason))

    def recovered(self) -> None:
        """Tell every client that events are no longer late."""
        self._degraded_for = None
        self._tell(messages.frame(messages.Connection(status="recovered")))

    def _tell(self, frame: bytes) -> None:
        _each(self._known, lambda connection: connection.send(frame))

    @staticmethod
    def _degraded_frame(reason: str) -> bytes:
        return messages.frame(messages.Connection(status="degraded", reason=reason))


def _each(connections: Iterable[Connection], do: Callable[[Connection], None]) -> None:
    # Of those that there are now: some leave by what is done.
    for connection in list(connections):
        with guarded(connection):
            do(connection)

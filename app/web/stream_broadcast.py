"""Telling every client what is new: what comes while they are being told goes along with it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

import gevent
from gevent.event import Event as Signal

from app.web.giving_way import give_way

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from app.services.event_log import Event
    from app.web.stream_filter import WhaleFilter

Entry = tuple["Event", bytes]

# Told between two times of giving way to whoever else has something to do, such as hearing of the next entry: a
# millisecond, of the ten that a thousand clients take.
_CLIENTS_AT_ONCE = 100
# From which on nothing further is taken in a round: a quarter of what may wait for a client.
_BUNDLE_BYTES = 16 * 1024


class Bundle:
    """Entries in their order, each with its frame, as ready for many clients as can be.

    Attributes:
        last_id: Of the newest; 0 without any.
    """

    __slots__ = ("_after", "_entries", "last_id")

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._after: dict[int, bytes] = {}
        self.last_id = entries[-1][0].id if entries else 0

    def after(self, event_id: int, wanted: WhaleFilter | None) -> bytes:
        """Return the frames of what is newer than `event_id`, and wanted; all of it without a filter."""
        if wanted is not None:
            return b"".join(
                frame for event, frame in self._entries if event.id > event_id and wanted.lets_through(event)
            )
        frames = self._after.get(event_id)
        if frames is None:
            frames = self._after[event_id] = b"".join(frame for event, frame in self._entries if event.id > event_id)
        return frames


class Listener(Protocol):
    """One who is told."""

    def deliver(self, bundle: Bundle) -> None:
        """Take what of `bundle` is due; never waits."""

    def give_up(self) -> None:
        """Take notice of the exception that `deliver` has raised; never fails."""


class Broadcast:
    """Goes round the clients for as long as there is anything that not all have been told.

    Whoever comes late in a round is told what came meanwhile as well, in one write: for several frames the kernel takes
    as long as for one, and a second whale need not wait until everybody has heard of the first.

    Args:
        listeners: Returns those who are told.
    """

    def __init__(self, listeners: Callable[[], Collection[Listener]]) -> None:
        self._listeners = listeners
        self._waiting: deque[Entry] = deque()
        self._waiting_bytes = 0
        # Of those that wait, how many everybody will have been told at the end of this round.
        self._in_round = 0
        self._is_going = False
        self._room = Signal()

    def add(self, event: Event, frame: bytes) -> None:
        """Tell everybody of an entry soon; returns once there is room for it."""
        while self._waiting_bytes >= _BUNDLE_BYTES:
            self._room.clear()
            self._begin()
            self._room.wait()
        self._waiting.append((event, frame))
        self._waiting_bytes += len(frame)
        self._begin()

    def tell(self, listener: Listener) -> None:
        """Tell one now what the others are told soon, if it has not been told yet."""
        listener.deliver(Bundle(list(self._waiting)))

    def clear(self) -> None:
        """Tell nobody of what waits."""
        self._waiting.clear()
        self._waiting_bytes = self._in_round = 0
        self._room.set()

    def _begin(self) -> None:
        if not self._is_going:
            self._is_going = True
            gevent.spawn(self._go_on)

    def _go_on(self) -> None:
        try:
            while self._waiting:
                self._go_round()
        finally:
            # Whatever was the end of it, the next entry begins anew.
            self._is_going = False

    def _go_round(self) -> None:
        self._in_round = len(self._waiting)
        listeners = list(self._listeners())
        for start in range(0, len(listeners), _CLIENTS_AT_ONCE):
            bundle = Bundle(list(self._waiting))
            for listener in listeners[start : start + _CLIENTS_AT_ONCE]:
                try:
                    listener.deliver(bundle)
                except Exception:  # noqa: BLE001 - whatever it is, it is about this listener
                    listener.give_up()
            give_way()
        for _ in range(self._in_round):
            self._waiting_bytes -= len(self._waiting.popleft()[1])
        self._room.set()

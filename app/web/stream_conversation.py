"""What one client says, and what is done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import gevent
from wsproto.frame_protocol import Opcode

from app.web import stream_messages as messages
from app.web.close_codes import Close
from app.web.stream_entry import TurnedAwayError, bad_frame, unauthenticated
from app.web.stream_guard import guarded
from app.web.stream_limits import Allowance

if TYPE_CHECKING:
    from wsproto.frame_protocol import Frame

    from app.services.tokens import Grant
    from app.web.stream_connection import Connection
    from app.web.stream_entry import Entrance
    from app.web.stream_hub import Hub
    from app.web.stream_limits import StreamLimits


class Conversation:
    """Puts messages together and obeys them, one after another.

    Args:
        connection: The client's.
        hub: Can welcome nobody before it has begun.
        entrance: Decides who the client is.
        limits: What it may say.
        now: Monotonic.
    """

    __slots__ = ("_allowance", "_connection", "_entrance", "_grant", "_hub", "_limits", "_text")

    def __init__(self, connection: Connection, hub: Hub, entrance: Entrance, limits: StreamLimits, now: float) -> None:
        self._connection = connection
        self._hub = hub
        self._entrance = entrance
        self._limits = limits
        self._allowance = Allowance(limits.messages_per_second, limits.message_burst, now)
        self._text = ""
        self._grant: Grant | None = None

    def allows(self, frame: Frame, now: float) -> bool:
        """Return whether the client may send that at present; parts of a frame count with its end."""
        return not frame.frame_finished or self._allowance.take(now)

    def take(self, part: Frame) -> None:
        """Take a frame, or what has come of one.

        Raises:
            TurnedAwayError: It is refused what it asks for.
        """
        if part.opcode is Opcode.BINARY:
            raise bad_frame("messages are JSON text, not binary")
        if part.opcode is not Opcode.TEXT:
            return
        self._text += cast("str", part.payload)
        if len(self._text.encode()) > self._limits.message_bytes:
            self._connection.close(Close.TOO_BIG, f"a message may have {self._limits.message_bytes} bytes")
        elif part.message_finished:
            text, self._text = self._text, ""
            self._obey(text)

    def _obey(self, text: str) -> None:
        try:
            message = messages.read(text)
        except ValueError as error:
            raise bad_frame(str(error)) from error
        if isinstance(message, messages.Auth):
            self._connection.wait()
            gevent.spawn(self._authenticate, message)
        elif self._grant is None:
            raise unauthenticated("the first message must be `auth`")
        elif isinstance(message, messages.Ping):
            self._connection.send(messages.frame(messages.Pong()))
        elif isinstance(message, messages.Subscribe):
            self._connection.subscription.begin(message)
        else:
            self._connection.subscription.end()
            self._connection.send(messages.frame(messages.Connection(status="unsubscribed")))

    def _authenticate(self, message: messages.Auth) -> None:
        """Ask the database, in a greenlet that lives as long as that takes."""
        with guarded(self._connection):
            grant = self._entrance.enter(message, self._grant)
            if not self._hub.has_begun:
                raise TurnedAwayError(Close.TRY_LATER, "unavailable", "the log cannot be read yet; try again later")
            self._grant = grant
            self._connection.welcome(grant)
        self._connection.go_on()

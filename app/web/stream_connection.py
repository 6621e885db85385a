"""One client of the alert stream: who it is, what it asks for, and how long it may stay."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wsproto.events import BytesMessage, Ping, TextMessage

from app.web import stream_messages as messages
from app.web.close_codes import Close
from app.web.stream_entry import TurnedAwayError, bad_frame, entry, unauthenticated
from app.web.stream_limits import Allowance, StreamLimits
from app.web.stream_socket import BadFrameError, ClientSocket
from app.web.stream_subscription import Subscription

if TYPE_CHECKING:
    import socket

    from wsproto import WSConnection
    from wsproto.events import Event as Frame

    from app.services.stream_access import StreamAccess
    from app.services.tokens import Grant
    from app.web.stream_hub import Hub

_log = logging.getLogger(__name__)


class Connection:
    """Serves the client in the greenlet that calls `run`.

    Args:
        client: The accepted socket; closing it is for the caller.
        websocket: Its protocol state, after the handshake.
        hub: Knows the client once it has shown who it is.
        access: Decides who it is.
        limits: What it may take.
    """

    def __init__(
        self, client: socket.socket, websocket: WSConnection, hub: Hub, access: StreamAccess, limits: StreamLimits
    ) -> None:
        now = time.monotonic()
        self._socket = ClientSocket(client, websocket, limits.backlog_bytes, self._fall_behind)
        self._hub = hub
        self._access = access
        self._limits = limits
        self._allowance = Allowance(limits.messages_per_second, limits.message_burst, now)
        self._text: list[str] = []
        self._text_bytes = 0
        self._heard_at = now
        self._ping_at = now + limits.ping_seconds
        self._ends_at = now + limits.auth_seconds
        self._linger_seconds = limits.linger_seconds
        self._grant: Grant | None = None
        self.subscription = Subscription(hub, self._socket.outbox, limits, self.close)

    def run(self) -> None:
        """Serve the client until one side ends it, and see it off."""
        self._hub.enter(self)
        try:
            self._serve()
            self._hub.part(self)
            self.subscription.end()
            self._socket.linger(self._linger_seconds)
        finally:
            self._hub.leave(self)
            self.subscription.end()
            self._socket.release()

    def send(self, frame: bytes) -> None:
        """Send a ready-made frame; a client that does not keep up is closed instead."""
        self._socket.outbox.send(frame)

    def close(self, code: Close, reason: str) -> None:
        """End it from our side; returns at once."""
        if code is Close.GOING_AWAY:
            self._linger_seconds = self._limits.stop_linger_seconds
        self._hub.part(self)
        self._socket.close(code, reason)

    def _serve(self) -> None:
        try:
            while self._goes_on(time.monotonic()):
                for frame in self._socket.frames(self._next_at() - time.monotonic()):
                    self._handle(frame)
        except BadFrameError as error:
            self._turn_away(bad_frame(str(error)))
        except TurnedAwayError as refusal:
            self._turn_away(refusal)
        except Exception:  # noqa: BLE001 - nobody above may answer it: the client expects frames, not HTTP
            _log.exception("serving a client failed")
            self.close(Close.FAILED, "something failed here; connect again")

    def _fall_behind(self) -> None:
        self.close(Close.SLOW, "too slow; connect again with last_event_id")

    def _next_at(self) -> float:
        return min(self._ends_at, self._ping_at, self._heard_at + self._limits.silence_seconds)

    def _goes_on(self, now: float) -> bool:
        if not self._socket.is_open:
            return False
        if now >= self._ends_at:
            late = "no authentication in time" if self._grant is None else "the token has expired"
            self.close(Close.UNAUTHENTICATED, late)
        elif now >= self._heard_at + self._limits.silence_seconds:
            self.close(Close.SILENT, "nothing was heard for too long")
        elif now >= self._ping_at:
            self._ping_at = now + self._limits.ping_seconds
            self._socket.ping()
        return self._socket.is_open

    def _handle(self, frame: Frame) -> None:
        self._heard_at = time.monotonic()
        if getattr(frame, "frame_finished", True) and not self._allowance.take(self._heard_at):
            self.close(Close.RATE, "too many messages")
        elif isinstance(frame, BytesMessage):
            raise bad_frame("messages are JSON text, not binary")
        elif isinstance(frame, TextMessage):
            self._collect(frame)
        elif isinstance(frame, Ping):
            self._socket.pong(frame)

    def _collect(self, part: TextMessage) -> None:
        self._text.append(part.data)
        self._text_bytes += len(part.data.encode())
        if self._text_bytes > self._limits.message_bytes:
            self.close(Close.TOO_BIG, f"a message may have {self._limits.message_bytes} bytes")
        elif part.message_finished:
            text = "".join(self._text)
            self._text, self._text_bytes = [], 0
            self._obey(text)

    def _obey(self, text: str) -> None:
        try:
            message = messages.read(text)
        except ValueError as error:
            raise bad_frame(str(error)) from error
        if isinstance(message, messages.Auth):
            self._authenticate(message)
        elif self._grant is None:
            raise unauthenticated("the first message must be `auth`")
        elif isinstance(message, messages.Ping):
            self.send(messages.frame(messages.Pong()))
        elif isinstance(message, messages.Subscribe):
            self.subscription.begin(message)
        else:
            self.subscription.end()
            self.send(messages.frame(messages.Connection(status="unsubscribed")))

    def _authenticate(self, message: messages.Auth) -> None:
        grant = entry(self._access, message, self._grant)
        if not self._hub.has_begun:
            raise TurnedAwayError(Close.TRY_LATER, "unavailable", "the log cannot be read yet; try again later")
        # It may have been closed while the database was asked.
        if self._socket.is_open:
            self._grant = grant
            self._ends_at = time.monotonic() + (grant.expires_at - datetime.now(UTC)).total_seconds()
            self._hub.welcome(self, grant)

    def _turn_away(self, refusal: TurnedAwayError) -> None:
        self.send(messages.frame(messages.Error(refusal.code, str(refusal))))
        self.close(refusal.close, str(refusal))

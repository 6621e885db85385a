"""One client of the alert stream: who it is, what it asks for, and how long it may stay."""

from __future__ import annotations

import logging
import math
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import gevent
from wsproto.frame_protocol import Opcode

from app.web import stream_messages as messages
from app.web.close_codes import Close
from app.web.stream_entry import TurnedAwayError, bad_frame, entry, unauthenticated
from app.web.stream_limits import Allowance, StreamLimits
from app.web.stream_socket import BadFrameError, ClientSocket
from app.web.stream_subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsproto.frame_protocol import Frame

    from app.services.stream_access import StreamAccess
    from app.services.tokens import Grant
    from app.web.stream_deadlines import Deadlines
    from app.web.stream_hub import Hub

_log = logging.getLogger(__name__)


class Connection:
    """Serves the client by callbacks of the loop, without a greenlet of its own.

    Args:
        descriptor: Of the accepted socket, after the handshake; closed in the end, once `begin` was called.
        hub: Knows the client once it has shown who it is.
        access: Decides who it is.
        deadlines: Calls `look` when something is due.
        limits: What it may take.
    """

    __slots__ = (
        "_access",
        "_allowance",
        "_deadlines",
        "_ends_at",
        "_grant",
        "_heard_at",
        "_hub",
        "_is_asking",
        "_limits",
        "_look_at",
        "_ping_at",
        "_socket",
        "_text",
        "subscription",
    )

    def __init__(
        self, descriptor: int, hub: Hub, access: StreamAccess, deadlines: Deadlines, limits: StreamLimits
    ) -> None:
        now = time.monotonic()
        self._socket = ClientSocket(
            descriptor,
            limits.backlog_bytes,
            on_readable=self._read,
            on_overflow=self._fall_behind,
            on_broken=self._release,
        )
        self._hub = hub
        self._access = access
        self._deadlines = deadlines
        self._limits = limits
        self._allowance = Allowance(limits.messages_per_second, limits.message_burst, now)
        self._text = ""
        # Whether the database is being asked who the client is; what it sends meanwhile has to wait.
        self._is_asking = False
        self._heard_at = now
        self._ping_at = now + limits.ping_seconds
        self._ends_at = now + limits.auth_seconds
        self._look_at = math.inf
        self._grant: Grant | None = None
        self.subscription = Subscription(hub, self._socket.outbox, limits, self.close)

    def begin(self) -> None:
        """Serve the client from now on, until one side ends it."""
        self._hub.enter(self)
        self._socket.listen()
        self._watch()

    def send(self, frame: bytes) -> None:
        """Send a ready-made frame; a client that does not keep up is closed instead."""
        self._socket.outbox.send(frame)

    def close(self, code: Close, reason: str) -> None:
        """End it from our side; returns at once."""
        if not self._socket.is_open:
            return
        self._socket.close(code, reason)
        limits = self._limits
        self._see_off(limits.stop_linger_seconds if code is Close.GOING_AWAY else limits.linger_seconds)

    def look(self, now: float) -> None:
        """Do what is due at `now`."""
        if self._socket.is_released or now < self._look_at:
            return
        self._look_at = math.inf
        with self._guarded():
            self._do_what_is_due(now)
        self._watch()

    def _watch(self) -> None:
        """Have `look` called when something is due, unless it will be called before that."""
        at = self._ends_at
        if self._socket.is_open:
            at = min(at, self._ping_at, self._heard_at + self._limits.silence_seconds)
        if at < self._look_at and not self._socket.is_released:
            self._look_at = at
            self._deadlines.add(at, self)

    def _do_what_is_due(self, now: float) -> None:
        if not self._socket.is_open:
            if now >= self._ends_at:
                self._release()
        elif now >= self._ends_at:
            late = "no authentication in time" if self._grant is None else "the token has expired"
            self.close(Close.UNAUTHENTICATED, late)
        elif now >= self._heard_at + self._limits.silence_seconds:
            self.close(Close.SILENT, "nothing was heard for too long")
        elif now >= self._ping_at:
            self._ping_at = now + self._limits.ping_seconds
            self._socket.ping()

    def _see_off(self, seconds: float) -> None:
        """Tell the client nothing more, and give it time to read what it was told."""
        self._hub.part(self)
        self.subscription.end()
        self._ends_at = time.monotonic() + seconds
        if not self._socket.is_released:
            self._socket.listen()
            self._watch()

    def _release(self) -> None:
        self._hub.leave(self)
        self.subscription.end()
        self._socket.release()

    def _fall_behind(self) -> None:
        self.close(Close.SLOW, "too slow; connect again with last_event_id")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except BadFrameError as error:
            self._turn_away(bad_frame(str(error)))
        except TurnedAwayError as refusal:
            self._turn_away(refusal)
        except Exception:  # noqa: BLE001 - the loop goes on, and the client expects frames
            _log.exception("serving a client failed")
            if self._socket.is_open:
                self.close(Close.FAILED, "something failed here; connect again")
            else:
                self._release()

    def _turn_away(self, refusal: TurnedAwayError) -> None:
        self.send(messages.frame(messages.Error(refusal.code, str(refusal))))
        self.close(refusal.close, str(refusal))

    def _read(self) -> None:
        with self._guarded():
            if not self._socket.is_open:
                if self._socket.linger():
                    self._release()
            elif self._socket.receive():
                self._serve()
            else:
                self._release()

    def _serve(self) -> None:
        """Handle what was received, up to something that has to be waited for."""
        for frame in self._socket.frames():
            self._handle(frame)
            if self._is_asking or not self._socket.is_open:
                return

    def _handle(self, frame: Frame) -> None:
        self._heard_at = time.monotonic()
        if frame.frame_finished and not self._allowance.take(self._heard_at):
            self.close(Close.RATE, "too many messages")
        elif frame.opcode is Opcode.TEXT:
            self._collect(frame)
        elif frame.opcode is Opcode.BINARY:
            raise bad_frame("messages are JSON text, not binary")
        elif frame.opcode is Opcode.PING:
            self._socket.pong(frame)
        elif frame.opcode is Opcode.CLOSE:
            self._take_leave(frame)

    def _take_leave(self, close: Frame) -> None:
        if self._socket.answer(close):
            self._release()
        else:
            self._see_off(self._limits.linger_seconds)

    def _collect(self, part: Frame) -> None:
        self._text += cast("str", part.payload)
        if len(self._text.encode()) > self._limits.message_bytes:
            self.close(Close.TOO_BIG, f"a message may have {self._limits.message_bytes} bytes")
        elif part.message_finished:
            text, self._text = self._text, ""
            self._obey(text)

    def _obey(self, text: str) -> None:
        try:
            message = messages.read(text)
        except ValueError as error:
            raise bad_frame(str(error)) from error
        if isinstance(message, messages.Auth):
            self._ask(message)
        elif self._grant is None:
            raise unauthenticated("the first message must be `auth`")
        elif isinstance(message, messages.Ping):
            self.send(messages.frame(messages.Pong()))
        elif isinstance(message, messages.Subscribe):
            self.subscription.begin(message)
        else:
            self.subscription.end()
            self.send(messages.frame(messages.Connection(status="unsubscribed")))

    def _ask(self, message: messages.Auth) -> None:
        """Have the database asked who the client is, and leave what it sends meanwhile to the kernel."""
        self._is_asking = True
        self._socket.pause()
        if self._grant is None:
            # It came in time, however long the database takes.
            self._ends_at = math.inf
        gevent.spawn(self._authenticate, message)

    def _authenticate(self, message: messages.Auth) -> None:
        with self._guarded():
            grant = entry(self._access, message, self._grant)
            if not self._hub.has_begun:
                raise TurnedAwayError(Close.TRY_LATER, "unavailable", "the log cannot be read yet; try again later")
            # It may have been closed while the database was asked.
            if self._socket.is_open:
                self._grant = grant
                self._ends_at = time.monotonic() + (grant.expires_at - datetime.now(UTC)).total_seconds()
                self._hub.welcome(self, grant)
        self._is_asking = False
        if self._socket.is_open:
            self._watch()
            self._socket.listen()
            with self._guarded():
                self._serve()

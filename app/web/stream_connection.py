"""One client of the alert stream: when it is served, how long it may stay, and how it is seen off."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wsproto.frame_protocol import Opcode

from app.web.close_codes import Close
from app.web.stream_conversation import Conversation
from app.web.stream_guard import give_up, guarded
from app.web.stream_socket import ClientSocket
from app.web.stream_subscription import Subscription

if TYPE_CHECKING:
    from wsproto.frame_protocol import Frame

    from app.services.tokens import Grant
    from app.web.stream_broadcast import Bundle
    from app.web.stream_deadlines import Deadlines
    from app.web.stream_entry import Entrance
    from app.web.stream_hub import Hub
    from app.web.stream_limits import StreamLimits


class Connection:
    """Serves the client by callbacks of the loop, without a greenlet of its own.

    Args:
        descriptor: Of the accepted socket, after the handshake; closed in the end, once `begin` was called.
        hub: Knows the client once it has shown who it is.
        entrance: Decides who it is.
        deadlines: Calls `look` when something is due.
        limits: What it may take.
    """

    __slots__ = (
        "_conversation",
        "_deadlines",
        "_ends_at",
        "_heard_at",
        "_hub",
        "_is_waiting",
        "_limits",
        "_look_at",
        "_ping_at",
        "_socket",
        "subscription",
    )

    def __init__(
        self, descriptor: int, hub: Hub, entrance: Entrance, deadlines: Deadlines, limits: StreamLimits
    ) -> None:
        now = time.monotonic()
        self._socket = ClientSocket(descriptor, limits.backlog_bytes, self)
        self._hub = hub
        self._deadlines = deadlines
        self._limits = limits
        self._heard_at = now
        self._ping_at = now + limits.ping_seconds
        self._ends_at = now + limits.auth_seconds
        self._look_at = math.inf
        # Whether what the client sends has to wait for the answer of the database.
        self._is_waiting = False
        self.subscription = Subscription(self, self._socket.outbox, hub, limits)
        self._conversation = Conversation(self, hub, entrance, limits, now)

    def begin(self) -> None:
        """Serve the client from now on, until one side ends it."""
        self._hub.enter(self)
        self._socket.listen()
        self._watch()

    def send(self, frame: bytes) -> None:
        """Send a ready-made frame; a client that does not keep up is closed instead."""
        self._socket.outbox.send(frame)

    def deliver(self, bundle: Bundle) -> None:
        """Send what of `bundle` the client is due."""
        self.subscription.deliver(bundle)

    def give_up(self) -> None:
        """End it for the exception that is being handled."""
        give_up(self)

    def close(self, code: Close, reason: str) -> None:
        """End it from our side; returns at once."""
        if not self._socket.is_open:
            return
        self._socket.close(code, reason)
        limits = self._limits
        self._see_off(limits.stop_linger_seconds if code is Close.GOING_AWAY else limits.linger_seconds)

    @property
    def is_open(self) -> bool:
        """Return whether neither side has ended it."""
        return self._socket.is_open

    def fall_behind(self) -> None:
        """Close it for not keeping up."""
        self.close(Close.SLOW, "too slow; connect again with last_event_id")

    def release(self) -> None:
        """Forget the client and close the socket; done already, it does nothing."""
        self._hub.leave(self)
        self.subscription.end()
        self._socket.release()

    def wait(self) -> None:
        """Leave what the client sends to the kernel until `go_on`; it cannot be late meanwhile."""
        self._is_waiting = True
        self._socket.pause()
        if not self._hub.knows(self):
            self._ends_at = math.inf

    def go_on(self) -> None:
        """Take what the client has sent meanwhile."""
        self._is_waiting = False
        if self._socket.is_open:
            self._socket.listen()
            with guarded(self):
                self._serve()

    def welcome(self, grant: Grant) -> None:
        """Let the client stay for as long as `grant` says, unless it was closed meanwhile."""
        if self._socket.is_open:
            self._ends_at = time.monotonic() + (grant.expires_at - datetime.now(UTC)).total_seconds()
            self._watch()
            self._hub.welcome(self, grant)

    def look(self, now: float) -> None:
        """Do what is due at `now`."""
        if self._socket.is_released or now < self._look_at:
            return
        self._look_at = math.inf
        with guarded(self):
            self._do_what_is_due(now)
        self._watch()

    def read(self) -> None:
        """Take what has come."""
        with guarded(self):
            if not self._socket.is_open:
                if self._socket.linger():
                    self.release()
            elif self._socket.receive():
                self._serve()
            else:
                self.release()

    def _serve(self) -> None:
        """Handle what was received, up to something that has to be waited for."""
        for frame in self._socket.frames():
            self._handle(frame)
            if self._is_waiting or not self._socket.is_open:
                return

    def _handle(self, frame: Frame) -> None:
        self._heard_at = time.monotonic()
        if frame.opcode is Opcode.CLOSE:
            self._answer(frame)
        elif not self._conversation.allows(frame, self._heard_at):
            self.close(Close.RATE, "too many messages")
        elif frame.opcode is Opcode.PING:
            self._socket.pong(frame)
        else:
            self._conversation.take(frame)

    def _answer(self, close: Frame) -> None:
        if self._socket.answer(close):
            self.release()
        else:
            self._see_off(self._limits.linger_seconds)

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
                self.release()
        elif now >= self._ends_at:
            late = "the token has expired" if self._hub.knows(self) else "no authentication in time"
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

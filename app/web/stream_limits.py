"""What one client of the stream may take, and how long it may be silent."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import timedelta

_MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """Limits of the alert stream.

    Attributes:
        auth_seconds: Until the first frame must have come.
        ping_seconds: Between two pings to a client.
        silence_seconds: Without any frame from a client, after which it counts as gone.
        message_bytes: Largest message of a client.
        messages_per_second: That a client may send on average.
        message_burst: That it may send at once.
        backlog_bytes: Waiting for one client beyond what the kernel takes for it (64 KiB).
        stall_seconds: For which more than half of that may wait while a client is sent what it missed.
        replay_age: Of the oldest event that is sent again after a reconnect.
        connects_per_minute: From one address.
        connections: In all.
        own_connections: Of this host, beyond those: a full stream still answers the health check.
        revocation_seconds: Between two looks at whether a token or an account was taken back.
        linger_seconds: For which a closing connection may still read what it was sent.
        stop_linger_seconds: The same while the service stops, which has two seconds for everything.
    """

    auth_seconds: float = 5
    ping_seconds: float = 30
    silence_seconds: float = 90
    message_bytes: int = 8 * 1024
    messages_per_second: float = 20
    message_burst: int = 40
    backlog_bytes: int = 64 * 1024
    stall_seconds: float = 30
    replay_age: timedelta = timedelta(hours=24)
    connects_per_minute: int = 100
    connections: int = 6_000
    own_connections: int = 16
    revocation_seconds: float = 0.5
    linger_seconds: float = 2
    stop_linger_seconds: float = 0.5


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of a connect.

    Attributes:
        is_allowed: Whether there were not too many.
        remaining: How many more there may be at once.
        reset_seconds: Until there may be one more than that.
    """

    is_allowed: bool
    remaining: int
    reset_seconds: float


class Allowance:
    """How often something may happen: `burst` times at once, `per_second` on average; times are monotonic."""

    __slots__ = ("_at", "_burst", "_left", "_per_second")

    def __init__(self, per_second: float, burst: int, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = float(burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Count one more; return whether it was allowed."""
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Arrivals:
    """Connects of the last minute, by address."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        # Ordered by the newest connect of each, so that those to be forgotten come first.
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, address: str, now: float) -> Arrival:
        """Count a connect, unless there were too many of that address."""
        minute_ago = now - _MINUTE
        while self._seen and next(iter(self._seen.values()))[-1] <= minute_ago:
            self._seen.popitem(last=False)
        times = self._seen.setdefault(address, deque())
        while times and times[0] <= minute_ago:
            times.popleft()
        is_allowed = len(times) < self.per_minute
        if is_allowed:
            times.append(now)
            self._seen.move_to_end(address)
        return Arrival(is_allowed, self.per_minute - len(times), times[0] - minute_ago)

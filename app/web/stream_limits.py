"""What one client of the stream may take, and how long it may be silent."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import timedelta


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
        backlog_bytes: Waiting for one client beyond what the kernel holds for it (64 KiB).
        replay_age: Of the oldest event that is sent again after a reconnect.
        connects_per_minute: From one address.
        connections: In all.
        revocation_seconds: Between two looks at whether a token or an account was taken back.
        linger_seconds: For which a closing connection may still read what it was sent.
    """

    auth_seconds: float = 5
    ping_seconds: float = 30
    silence_seconds: float = 90
    message_bytes: int = 8 * 1024
    messages_per_second: float = 20
    message_burst: int = 40
    backlog_bytes: int = 64 * 1024
    replay_age: timedelta = timedelta(hours=24)
    connects_per_minute: int = 100
    connections: int = 4_000
    revocation_seconds: float = 0.5
    linger_seconds: float = 2


class Allowance:
    """How often something may happen: `burst` times at once, `per_second` on average; times are monotonic."""

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
        self._per_minute = per_minute
        self._seen: dict[str, deque[float]] = {}

    def wait_seconds(self, address: str, now: float) -> float:
        """Count a connect; return 0 when it is allowed, otherwise after how long the next one will be."""
        minute_ago = now - 60
        for other in [each for each, times in self._seen.items() if times[-1] <= minute_ago]:
            del self._seen[other]
        times = self._seen.setdefault(address, deque())
        while times and times[0] <= minute_ago:
            times.popleft()
        if len(times) < self._per_minute:
            times.append(now)
            return 0.0
        return times[0] - minute_ago

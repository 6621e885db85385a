"""Whose handshake the alert stream answers: decided before there is a connection."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.web.problems import ProblemError
from app.web.proxies import client_address, is_of_this_host
from app.web.stream_limits import Arrivals, StreamLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from flask import Request

_VERSION = "13"
_RETRY_SECONDS = 10
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Admission:
    """Refuses with an HTTP status.

    Args:
        limits: How many may come.
        allowed_origins: Besides our own.
        open_connections: Counts those that were let in.
    """

    def __init__(
        self, limits: StreamLimits, allowed_origins: Collection[str], open_connections: Callable[[], int]
    ) -> None:
        self._limits = limits
        self._allowed = {_normal(origin) for origin in allowed_origins}
        self._open_connections = open_connections
        self._arrivals = Arrivals(limits.connects_per_minute)
        self.is_stopping = False

    def check(self, request: Request) -> None:
        """Return if the handshake may go on.

        Raises:
            ProblemError: 400 no handshake, 403 foreign origin, 426 another version of the protocol, 429 too often
                from that address, 503 full or stopping.
        """
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise _upgrade_required("This is a WebSocket; connect with a WebSocket client.")
        if request.headers.get("Sec-WebSocket-Version") != _VERSION:
            raise _upgrade_required(f"Version {_VERSION} of the protocol is spoken here.")
        if not request.headers.get("Sec-WebSocket-Key"):
            raise ProblemError(400, "BAD_HANDSHAKE", "Sec-WebSocket-Key is missing.")
        # Nobody would read it, and its bytes would pass for frames.
        if request.content_length or "Transfer-Encoding" in request.headers:
            raise ProblemError(400, "BAD_HANDSHAKE", "A handshake has no body.")
        if not self._is_own(request):
            raise ProblemError(
                403,
                "FOREIGN_ORIGIN",
                "Pages of that origin may not connect; name it in ALLOWED_ORIGINS if they should.",
            )
        self._count()
        if self.is_stopping or self._open_connections() >= self._room(request):
            raise ProblemError(
                503,
                "UNAVAILABLE",
                "There is no room for a further connection; try again later.",
                {"Retry-After": str(_RETRY_SECONDS)},
            )

    def _is_own(self, request: Request) -> bool:
        origin = request.headers.get("Origin")
        if origin is None:
            # Only browsers send it, and only they carry somebody else's page.
            return True
        found = _normal(origin)
        return found is not None and (found in self._allowed or found == _normal(f"{request.scheme}://{request.host}"))

    def _count(self) -> None:
        arrival = self._arrivals.take(client_address(), time.monotonic())
        if not arrival.is_allowed:
            seconds = str(math.ceil(arrival.reset_seconds))
            raise ProblemError(
                429,
                "RATE_LIMITED",
                "There were too many connections from this address in a minute; see Retry-After.",
                {
                    "Retry-After": seconds,
                    "RateLimit-Limit": str(self._arrivals.per_minute),
                    "RateLimit-Remaining": str(arrival.remaining),
                    "RateLimit-Reset": seconds,
                },
            )

    def _room(self, request: Request) -> int:
        own_address: str = request.environ["gunicorn.socket"].getsockname()[0]
        return self._limits.connections + (self._limits.own_connections if is_of_this_host(own_address) else 0)


def _upgrade_required(detail: str) -> ProblemError:
    # RFC 9110 wants the protocol named.
    return ProblemError(426, "UPGRADE_REQUIRED", detail, {"Upgrade": "websocket", "Sec-WebSocket-Version": _VERSION})


def _normal(origin: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of an origin; None for what is none, such as `null`."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or port is None:
        return None
    return parts.scheme, parts.hostname, port

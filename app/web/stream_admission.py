"""Whose handshake the alert stream answers: decided before there is a connection."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug.exceptions import (
    BadRequest,
    Forbidden,
    HTTPException,
    ServiceUnavailable,
    TooManyRequests,
)

from app.web.stream_limits import Arrivals, StreamLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from flask import Request

_VERSION = "13"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Admission:
    """Refuses with an HTTP status.

    Args:
        limits: How many may come.
        trusted_proxies: Addresses whose X-Forwarded headers are believed.
        allowed_origins: Besides our own.
        open_connections: Counts those that were let in.
    """

    def __init__(
        self,
        limits: StreamLimits,
        trusted_proxies: Collection[str],
        allowed_origins: Collection[str],
        open_connections: Callable[[], int],
    ) -> None:
        self._limits = limits
        self._trusted = frozenset(trusted_proxies)
        self._allowed = {_normal(origin) for origin in allowed_origins}
        self._open_connections = open_connections
        self._arrivals = Arrivals(limits.connects_per_minute)
        self.is_stopping = False

    def check(self, request: Request) -> None:
        """Return if the handshake may go on.

        Raises:
            HTTPException: 400 no handshake, 403 foreign origin, 426 another version of the protocol, 429 too often
                from that address, 503 full or stopping.
        """
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise _UpgradeRequired("this is a WebSocket; connect with a WebSocket client")
        if request.headers.get("Sec-WebSocket-Version") != _VERSION:
            raise _UpgradeRequired(f"version {_VERSION} of the protocol is spoken here")
        if not request.headers.get("Sec-WebSocket-Key"):
            raise BadRequest("Sec-WebSocket-Key is missing")
        if not self._is_own(request):
            raise Forbidden("pages of that origin may not connect; name it in ALLOWED_ORIGINS if they should")
        wait_seconds = self._arrivals.wait_seconds(self._address(request), time.monotonic())
        if wait_seconds:
            raise TooManyRequests("too many connections in a minute", retry_after=math.ceil(wait_seconds))
        if self.is_stopping or self._open_connections() >= self._limits.connections:
            raise ServiceUnavailable("no room for a further connection; try again later", retry_after=10)

    def _is_own(self, request: Request) -> bool:
        origin = request.headers.get("Origin")
        if origin is None:
            # Only browsers send it, and only they carry somebody else's page.
            return True
        found = _normal(origin)
        if found is None:
            return False
        host = request.headers.get("Host", "")
        if request.remote_addr in self._trusted:
            host = request.headers.get("X-Forwarded-Host", host)
        return found in self._allowed or found == _normal(f"{found[0]}://{host}")

    def _address(self, request: Request) -> str:
        address = request.remote_addr or ""
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
        while address in self._trusted and hops:
            address = hops.pop()
        return address


class _UpgradeRequired(HTTPException):
    """Names the protocol to speak, as RFC 9110 wants it."""

    code = 426
    name = "Upgrade Required"

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - werkzeug's signature
        return [*super().get_headers(*args, **kwargs), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", _VERSION)]


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

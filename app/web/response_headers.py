"""Headers that every answer has: what a browser must not do with it, and by which id the log knows it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

if TYPE_CHECKING:
    from collections.abc import Collection

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SECURITY = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With no-referrer browsers call the origin of our own sign-in form "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = "ETag, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-ID, X-Utxoracle-Derived"


def send_headers(app: Flask, allowed_origins: Collection[str]) -> None:
    """Send them with every answer of `app`; pages of `allowed_origins` may read answers, with a bearer token."""
    allowed = frozenset(allowed_origins)

    @app.before_request
    def begin() -> Response | None:
        g.request_id = uuid.uuid4().hex
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers and _is_allowed(allowed):
            return Response(status=204, headers=_PREFLIGHT)
        return None

    @app.after_request
    def end(answer: Response) -> Response:
        answer.headers["X-Request-ID"] = g.get("request_id", "")
        for name, value in _SECURITY.items():
            answer.headers.setdefault(name, value)
        if request.endpoint != "static":
            answer.headers.setdefault("Cache-Control", "no-store")
        if allowed:
            answer.vary.add("Origin")
        if _is_allowed(allowed):
            answer.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            answer.headers["Access-Control-Expose-Headers"] = _EXPOSED
            answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return answer


def _is_allowed(allowed: Collection[str]) -> bool:
    return request.headers.get("Origin") in allowed

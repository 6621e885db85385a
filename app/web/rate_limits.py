"""How often a client may ask, and how it is told."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from flask import request
from flask_limiter import Limiter

from app.web.proxies import client_address

if TYPE_CHECKING:
    from flask import Flask, Response

LOGINS_PER_MINUTE = 5

# Answered from memory, or files: to be asked often is what they are for.
_UNLIMITED = frozenset({"static", "health.health", "health.live", "health.ready"})


def limit_rates(app: Flask, per_minute: int) -> Limiter:
    """Allow each client so many requests a minute; to be called before what is to be protected by it."""
    app.config["RATELIMIT_HEADERS_ENABLED"] = False
    limiter = Limiter(
        client_address,
        application_limits=[f"{per_minute} per minute"],
        storage_uri="memory://",
        strategy="moving-window",
        # It lets a request without an endpoint pass: what is not there is asked for the most by those who look around.
        request_identifier=lambda: request.endpoint or "nothing",
    )
    limiter.request_filter(lambda: request.endpoint in _UNLIMITED)
    limiter.init_app(app)

    @app.after_request
    def tell(answer: Response) -> Response:
        limit = limiter.current_limit
        if limit is not None:
            seconds = max(1, math.ceil(limit.reset_at - time.time()))
            answer.headers["RateLimit-Limit"] = str(limit.limit.amount)
            answer.headers["RateLimit-Remaining"] = str(max(0, limit.remaining))
            answer.headers["RateLimit-Reset"] = str(seconds)
            if limit.breached:
                answer.headers["Retry-After"] = str(seconds)
        return answer

    return limiter

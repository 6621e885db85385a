"""Figures of the requests that the application answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from prometheus_client import Counter, Histogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


def count_requests(app: Flask, registry: CollectorRegistry) -> None:
    """Count the requests of `app` and their durations in `registry`."""
    requests = Counter("utxoracle_api_requests", "Requests answered.", ("route", "method", "status"), registry=registry)
    durations = Histogram(
        "utxoracle_api_request_seconds",
        "Time from a request to its answer.",
        registry=registry,
        buckets=_BUCKETS_SECONDS,
    )

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def end(answer: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unknown"
        requests.labels(route, _method(request.method), str(answer.status_code)).inc()
        if "began" in g:
            durations.observe(time.perf_counter() - g.began)
        return answer


def _method(method: str) -> str:
    """Return the method, or one word for all that a client may have made up."""
    return method if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} else "other"

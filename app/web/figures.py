"""The figures of /metrics; docs/METRICS.md lists them, and a test compares."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from app.services.health import CHECK_STATUSES
from app.services.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.services.event_log import EventLog
    from app.services.health import HealthMonitor
    from app.services.price_view import PriceView

_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


def figures_registry(prices: PriceView, log: EventLog, monitor: HealthMonitor) -> CollectorRegistry:
    """Return the figures of prices, event log and health, asked for when somebody looks, and of this process."""
    registry = CollectorRegistry()
    registry.register(_Prices(prices, log))
    registry.register(_Health(monitor))
    ProcessCollector(namespace="utxoracle", registry=registry)
    return registry


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


class _Prices(Collector):
    def __init__(self, prices: PriceView, log: EventLog) -> None:
        self._prices = prices
        self._log = log

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield nothing about what there is not, and nothing at all without the database: health says that."""
        try:
            latest = self._prices.latest()
            day = self._prices.differences(self._prices.last_days(1))
            last_event_id = self._log.last_id()
        except StorageError:
            return
        if latest is not None:
            row = latest.comparison
            yield from _gauge("price_estimate_usd", "On-chain estimate of the newest row.", row.utxoracle_price)
            yield from _gauge("price_exchange_usd", "Exchange rate of the newest row.", row.exchange_price)
            yield from _gauge("price_difference_usd", "Estimate minus rate of the newest row.", row.difference)
            yield from _gauge("price_difference_percent", "The same in per cent of the rate.", row.difference_percent)
            yield from _gauge("price_age_seconds", "Age of the newest row.", latest.age.total_seconds())
            yield from _gauge("price_valid_bool", "Whether the newest row is valid.", float(row.is_valid))
        rows = GaugeMetricFamily("utxoracle_price_rows_day", "Rows of the last 24 hours.", labels=("validity",))
        rows.add_metric(("valid",), day.valid_count)
        rows.add_metric(("invalid",), day.count - day.valid_count)
        yield rows
        yield from _gauge("event_log_last_id", "Id of the newest event.", float(last_event_id))


class _Health(Collector):
    def __init__(self, monitor: HealthMonitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterator[GaugeMetricFamily]:
        report = self._monitor.report()
        states = GaugeMetricFamily(
            "utxoracle_health_check_state", "1 for the state that a check is in.", labels=("check", "state")
        )
        latencies = GaugeMetricFamily(
            "utxoracle_health_check_latency_seconds", "How long a check took.", labels=("check",)
        )
        for name, result in report.checks.items():
            for state in CHECK_STATUSES:
                states.add_metric((name, state), float(result.status == state))
            if result.latency_ms is not None:
                latencies.add_metric((name,), result.latency_ms / 1000)
        yield states
        yield latencies
        yield from _gauge("health_up_bool", "0 when unhealthy.", float(report.verdict != "unhealthy"))
        yield from _gauge("health_age_seconds", "Age of the oldest result of a check.", report.age_seconds)


def _gauge(name: str, documentation: str, value: float | None) -> Iterator[GaugeMetricFamily]:
    if value is not None:
        yield GaugeMetricFamily(f"utxoracle_{name}", documentation, value=value)

"""The figures of /metrics; docs/METRICS.md lists them, and a test compares."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from app.services.health import CHECK_STATUSES
from app.services.storage import StorageError
from app.web.detector_figures import DetectorFigures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.price.comparison import PriceComparison
    from app.services.detector_report import DetectorView
    from app.services.event_log import EventLog
    from app.services.health import HealthMonitor
    from app.services.health_checks import Machine
    from app.services.price_view import PriceView


def figures_registry(
    *, prices: PriceView, log: EventLog, monitor: HealthMonitor, detector: DetectorView, machine: Machine
) -> CollectorRegistry:
    """Return the figures of prices, event log, health and detector, as of when somebody looks, and of this process."""
    registry = CollectorRegistry()
    registry.register(_Prices(prices, log))
    registry.register(_Health(monitor))
    registry.register(DetectorFigures(detector))
    registry.register(_Process(machine))
    return registry


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
            yield from _gauge("price_confidence_ratio", "How far it can be trusted, 0 to 1.", row.confidence)
            yield from _gauge("price_band_percent", "Half the width of its band.", _band_percent(row))
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


class _Process(Collector):
    """Not the library's own, which says nothing where a sandbox hides /proc/stat."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._started = time.time()

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        used_bytes = self._machine.process_bytes()
        if used_bytes is not None:
            yield from _gauge("process_resident_memory_bytes", "Memory of this process.", float(used_bytes))
        yield from _gauge("process_start_time_seconds", "Start of this process, since 1970.", self._started)
        yield CounterMetricFamily(
            "utxoracle_process_cpu_seconds", "Processor time of this process.", value=time.process_time()
        )


def _band_percent(row: PriceComparison) -> float | None:
    if row.band_low is None or row.band_high is None or row.utxoracle_price is None:
        return None
    return 50 * (row.band_high - row.band_low) / row.utxoracle_price


def _gauge(name: str, documentation: str, value: float | None) -> Iterator[GaugeMetricFamily]:
    if value is not None:
        yield GaugeMetricFamily(f"utxoracle_{name}", documentation, value=value)

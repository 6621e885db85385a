"""The figures of /metrics that the detector tells of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from app.services.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from app.services.detector_report import DetectorReport, DetectorView

# Name here, name in its report, meaning.
_GAUGES = (
    ("utxoracle_mempool_transactions", "waiting", "Transactions that wait in the mempool."),
    ("utxoracle_detector_unread_transactions", "unread", "Of those, how many the detector has yet to look at."),
    ("utxoracle_detector_unread_blocks", "blocks_to_read", "Blocks that it has yet to read."),
    ("utxoracle_detector_tip_height", "tip_height", "Height of the newest block that it has read."),
    ("utxoracle_whales_followed", "followed", "Whales that wait for their end."),
)
_COUNTERS = (
    ("utxoracle_whales_let_go", "let_go", "Whales let go for want of room, since the start of the detector."),
    ("utxoracle_detector_lost_messages", "lost_messages", "Messages of the node that did not arrive, likewise."),
    ("utxoracle_detector_lost_blocks", "lost_blocks", "Blocks that the node could not give, likewise."),
)


class DetectorFigures(Collector):
    """Nothing of a detector that has never been at work, and of a silent one only for how long."""

    def __init__(self, detector: DetectorView) -> None:
        self._detector = detector

    def collect(self) -> Iterator[Metric]:
        """Yield what is known; nothing at all without the database, of which health tells."""
        try:
            report = self._detector.report()
        except StorageError:
            return
        if report is None:
            return
        yield GaugeMetricFamily(
            "utxoracle_detector_age_seconds", "Age of the detector's last word.", value=report.age_seconds
        )
        if report.figures and not report.is_silent:
            yield from _of_mempool(report)


def _of_mempool(report: DetectorReport) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "utxoracle_detector_stream_bool", "1 on the node's stream, 0 while it polls.", value=float(report.is_on_stream)
    )
    for name, told, meaning in _GAUGES:
        if report.figures[told] is not None:
            yield GaugeMetricFamily(name, meaning, value=report.figures[told])
    for name, told, meaning in _COUNTERS:
        yield CounterMetricFamily(name, meaning, value=report.figures[told])

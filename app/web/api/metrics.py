"""`/metrics`: figures for Prometheus, and as JSON for the dashboard."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec
from flask import Blueprint, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from app.web.operation import TEXT, Operation, operation
from app.web.problems import ProblemError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class MetricsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """In which form."""

    format: Literal["text", "json"] = "text"


class Sample(msgspec.Struct):
    """One figure; null for one that is not a number."""

    name: str
    labels: dict[str, str]
    value: float | None


class Metric(msgspec.Struct):
    """Figures of one name."""

    name: str
    type: str
    help: str
    samples: list[Sample]


class Metrics(msgspec.Struct):
    """All figures of now."""

    items: list[Metric]
    next_cursor: None = None


def metrics_blueprint(registry: CollectorRegistry | None) -> Blueprint:
    """Serve the figures of `registry`; without one say that they are switched off."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    @operation(
        Operation(
            summary="Figures for Prometheus; `format=json` for programs",
            query=MetricsQuery,
            answers={200: Metrics},
            media=(TEXT,),
            problems=(404,),
        )
    )
    def metrics(query: MetricsQuery) -> Response | Metrics:
        if registry is None:
            raise ProblemError(404, "METRICS_DISABLED", "METRICS_ENABLED is false on this appliance.")
        if query.format == "text":
            return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
        return Metrics(
            [
                Metric(
                    family.name,
                    family.type,
                    family.documentation,
                    [Sample(each.name, dict(each.labels), _finite(each.value)) for each in family.samples],
                )
                for family in registry.collect()
            ]
        )

    return routes


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

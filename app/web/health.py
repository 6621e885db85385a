"""`/health`: how the appliance is, for monitors and load balancers; strangers see states only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from flask import Blueprint
from msgspec import Meta

from app.services.health import CheckStatus, Verdict  # noqa: TC001 - msgspec reads the annotations
from app.web.caller import is_known_caller
from app.web.operation import Operation, operation

if TYPE_CHECKING:
    from app.services.health import HealthMonitor, HealthReport


class Check(msgspec.Struct):
    """What one check found; latency and message are null for strangers."""

    status: CheckStatus
    latency_ms: float | None
    message: str | None


class Health(msgspec.Struct):
    """All checks, and what they come to."""

    status: Verdict
    database: Literal["connected", "disconnected"]
    age_seconds: Annotated[float, Meta(description="Age of the oldest result.", ge=0)]
    checks: dict[str, Check]


class Alive(msgspec.Struct):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(msgspec.Struct):
    """Whether requests can be answered."""

    status: Literal["ready", "not_ready"]


def health_blueprint(monitor: HealthMonitor) -> Blueprint:
    """Serve the last results of `monitor`."""
    routes = Blueprint("health", __name__, url_prefix="/health")

    @routes.get("")
    @operation(
        Operation(
            summary="All checks; 503 when one fails without which nothing works",
            needs="nothing",
            answers={200: Health, 503: Health},
        )
    )
    def health() -> tuple[Health, int]:
        report = monitor.report()
        # Who calls is in the database: a stranger's answer must not wait for one that is away.
        answer = _health(report, in_full=report.is_ok("database", "schema") and is_known_caller())
        return answer, 503 if report.verdict == "unhealthy" else 200

    @routes.get("/live")
    @operation(Operation(summary="Whether the process answers", needs="nothing", answers={200: Alive}))
    def live() -> Alive:
        return Alive()

    @routes.get("/ready")
    @operation(Operation(summary="Whether the database is there", needs="nothing", answers={200: Ready, 503: Ready}))
    def ready() -> tuple[Ready, int]:
        is_ready = monitor.report().is_ok("database", "schema")
        return (Ready("ready"), 200) if is_ready else (Ready("not_ready"), 503)

    return routes


def _health(report: HealthReport, *, in_full: bool) -> Health:
    return Health(
        report.verdict,
        "connected" if report.is_ok("database") else "disconnected",
        round(report.age_seconds, 1),
        {
            name: Check(result.status, result.latency_ms, result.message)
            if in_full
            else Check(result.status, None, None)
            for name, result in report.checks.items()
        },
    )

"""Health: every check in a thread of its own, again and again; whoever asks gets the last results, and at once."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.services.own_time import OwnTime

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_log = logging.getLogger(__name__)

CheckStatus = Literal["ok", "degraded", "error", "timeout", "skipped"]
Verdict = Literal["healthy", "degraded", "unhealthy"]
CHECK_STATUSES: tuple[CheckStatus, ...] = ("ok", "degraded", "error", "timeout", "skipped")

_LOG_LEVELS = {"error": logging.ERROR, "timeout": logging.ERROR, "degraded": logging.WARNING}

# For which the process may stand still during a check before a failure says nothing about what was looked at: timeouts
# of connections have then passed unseen. Twice, since one that always stands still must not hide a real failure.
_STALL_SECONDS = 0.25
_REPETITIONS = 2


class DegradedError(Exception):
    """Something works, but not as it should; the message says what, and what to do."""


class SkippedError(Exception):
    """There is nothing to check; the message says why."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found.

    Attributes:
        status: How it is.
        latency_ms: How long the check took; None when it was skipped or is not done.
        message: For operators; strangers must not see it.
        age_seconds: How long ago this was found.
    """

    status: CheckStatus
    latency_ms: float | None
    message: str
    age_seconds: float


@dataclass(frozen=True, slots=True)
class HealthReport:
    """All results by name, and what they come to."""

    verdict: Verdict
    checks: Mapping[str, CheckResult]

    def is_ok(self, *names: str) -> bool:
        """Return whether all of these work, if not at their best."""
        return all(self.checks[name].status in {"ok", "degraded"} for name in names)

    @property
    def age_seconds(self) -> float:
        """How old the oldest result is."""
        return max((result.age_seconds for result in self.checks.values()), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often, and how long.

    Attributes:
        every_seconds: From the start of one run of a check to the next.
        timeout_seconds: For which a check may run before it counts as timed out; of the process's own time.
        first_seconds: For which a report waits when there are no results yet.
    """

    every_seconds: float = 5.0
    timeout_seconds: float = 1.9
    first_seconds: float = 0.7


class HealthMonitor:
    """Runs `checks` in the background; those named in `critical` decide about life and death."""

    def __init__(
        self, checks: Mapping[str, Callable[[], str]], critical: Collection[str], pace: Pace | None = None
    ) -> None:
        self._pace = pace or Pace()
        self._own_time = OwnTime()
        self._watches = {name: _Watch(name, check, self._pace, self._own_time) for name, check in checks.items()}
        self._critical = frozenset(critical)

    def start(self) -> None:
        """Begin to check; the threads end with the process, or with `stop`."""
        self._own_time.start()
        for watch in self._watches.values():
            watch.start()

    def stop(self) -> None:
        """Begin no further check."""
        self._own_time.stop()
        for watch in self._watches.values():
            watch.stop()

    def report(self) -> HealthReport:
        """Return the last results, within `first_seconds`."""
        deadline = time.monotonic() + self._pace.first_seconds
        checks = {}
        for name, watch in self._watches.items():
            watch.wait_for_first(deadline - time.monotonic())
            checks[name] = watch.result()
        return HealthReport(self._verdict(checks), checks)

    def _verdict(self, checks: Mapping[str, CheckResult]) -> Verdict:
        bad = {name for name, result in checks.items() if result.status in {"error", "timeout"}}
        if bad & self._critical:
            return "unhealthy"
        return "degraded" if bad or any(result.status == "degraded" for result in checks.values()) else "healthy"


@dataclass(frozen=True, slots=True)
class _Moment:
    """A moment by the clock, and by the process's own time."""

    real: float
    own: float


@dataclass(frozen=True, slots=True)
class _Found:
    status: CheckStatus
    seconds: float
    message: str
    at: float
    stall_seconds: float


class _Watch:
    """Runs one check; one that hangs holds up nothing but itself."""

    def __init__(self, name: str, check: Callable[[], str], pace: Pace, own_time: OwnTime) -> None:
        self._name = name
        self._check = check
        self._pace = pace
        self._own_time = own_time
        self._first = threading.Event()
        self._stopped = threading.Event()
        self._running: _Moment | None = None
        self._found: _Found | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"health {self._name}", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def wait_for_first(self, seconds: float) -> None:
        self._first.wait(max(0.0, seconds))

    def result(self) -> CheckResult:
        now, found, began = self._now(), self._found, self._running
        if began is not None and (late_seconds := now.own - began.own - self._pace.timeout_seconds) > 0:
            return CheckResult("timeout", None, "no answer yet", late_seconds)
        if found is None:
            return CheckResult("timeout", None, "no answer yet" if began else "not checked yet", 0.0)
        latency_ms = None if found.status == "skipped" else round(found.seconds * 1000, 1)
        return CheckResult(found.status, latency_ms, found.message, max(0.0, now.real - found.at))

    def _now(self) -> _Moment:
        return _Moment(time.monotonic(), self._own_time.seconds())

    def _run(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            found = self._find()
            for _ in range(_REPETITIONS):
                if found.stall_seconds < _STALL_SECONDS or found.status not in {"error", "timeout"}:
                    break
                found = self._find()
            self._keep(found)
            self._stopped.wait(max(0.0, began + self._pace.every_seconds - found.at))

    def _find(self) -> _Found:
        began = self._running = self._now()
        status, message = self._checked()
        ended = self._now()
        seconds = ended.own - began.own
        if seconds > self._pace.timeout_seconds:
            status, message = "timeout", f"took {seconds:.1f} s: {message}"
        return _Found(status, seconds, message, ended.real, ended.real - began.real - seconds)

    def _keep(self, found: _Found) -> None:
        if found.status != (self._found.status if self._found else "ok"):
            _log.log(
                _LOG_LEVELS.get(found.status, logging.INFO),
                "health changed",
                extra={"check": self._name, "status": found.status, "reason": found.message},
            )
        self._found, self._running = found, None
        self._first.set()

    def _checked(self) -> tuple[CheckStatus, str]:
        try:
            return "ok", self._check()
        except DegradedError as error:
            return "degraded", str(error)
        except SkippedError as error:
            return "skipped", str(error)
        except Exception as error:  # noqa: BLE001 - whatever fails, the check has its answer
            return "error", str(error) or type(error).__name__

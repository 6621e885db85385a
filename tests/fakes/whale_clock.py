"""Both clocks of a detector, which stand still until a test moves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.services.whales.clocks import Clocks

START = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)


class SimulatedClock:
    """Time passes by `advance`; `jump` is somebody who sets the clock on the wall."""

    def __init__(self) -> None:
        self._passed_seconds = 1_000.0
        self._jumped = timedelta()

    @property
    def clocks(self) -> Clocks:
        return Clocks(now=self.now, seconds=self.seconds)

    def now(self) -> datetime:
        return START + timedelta(seconds=self._passed_seconds) + self._jumped

    def seconds(self) -> float:
        return self._passed_seconds

    def advance(self, seconds: float) -> None:
        self._passed_seconds += seconds

    def jump(self, ahead: timedelta) -> None:
        self._jumped += ahead

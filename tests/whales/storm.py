"""Traffic and faults at the same time, and the mempool looked at again and again by somebody else than the detector."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta

from tests.node.programs.bitcoind_rpc import UnreachableError
from tests.whales.attention import Attention
from tests.whales.faults import Faults
from tests.whales.traffic import Traffic
from tests.whales.watched import Watched

# Within this time the detector notices that bitcoind was away, and says nothing any longer of what was before.
_NOTICED = timedelta(seconds=0.3)

# Does something about transactions; about blocks only if it is told that they are safe.
Step = Callable[[Traffic, bool], None]


class Storm:
    """Goes on for as long as somebody calls `live`.

    Args:
        it: All parts run.
        chance: All that is random.
        step: Is done again and again while bitcoind runs; may raise UnreachableError.
        step_seconds: How often.
        look_seconds: How often the mempool is looked at.

    Attributes:
        silent_until: When the stream was last known to be silent; for the caller to set.
    """

    def __init__(
        self, it: Watched, chance: random.Random, step: Step, *, step_seconds: float, look_seconds: float
    ) -> None:
        self.attention = Attention()
        self.faults = Faults(it.appliance, self.attention, chance)
        self.traffic = Traffic(it.life, chance, it.appliance.threshold_sat)
        self._appliance = it.appliance
        self._step = step
        self._step_seconds = step_seconds
        self._look_seconds = look_seconds
        self.silent_until = self.faults.seeing_since
        self._is_back = True
        self._looked_at = 0.0

    def live(self, seconds: float) -> None:
        """Let so much time pass."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            step_at = time.monotonic() + self._step_seconds
            if self.faults.mend():
                self._is_back = False
            try:
                self._go_on()
            except UnreachableError:
                self._is_back = False
            time.sleep(max(0.0, min(step_at, deadline) - time.monotonic()))

    def end(self) -> None:
        """Let all parts run again, and what waits be sent again."""
        self.faults.mend_all()
        self._is_back = False
        self.live(1)

    def _go_on(self) -> None:
        if self.faults.is_bitcoind_down:
            return
        if not self._is_back:
            self.traffic.come_back()
            self._is_back = True
        self._step(self.traffic, self.faults.are_blocks_safe)
        if time.monotonic() - self._looked_at >= self._look_seconds:
            self._look()

    def _look(self) -> None:
        waiting = self._appliance.node.call("getrawmempool")
        self._looked_at = time.monotonic()
        self.attention.saw({each.txid for each in self._appliance.sent()}.intersection(waiting), self._looked_at)
        if self.attention.is_interrupted and self.faults.can_see and self._hears():
            self.attention.begins(time.monotonic())

    def _hears(self) -> bool:
        """Return whether the detector has said that it hears the stream since it can, and not only just."""
        since = max(self.faults.seeing_since, self.silent_until) + _NOTICED
        return any(
            beat["beat_at"] > since and (beat["state"], beat["detail"].get("source")) == ("ok", "stream")
            for beat in self._appliance.heartbeats()
        )

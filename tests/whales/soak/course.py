"""What happens in a soak, and when: 200 transactions a second, blocks, whales and what becomes of them, and faults."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

from tests.whales.relay import Relay
from tests.whales.storm import Storm
from tests.whales.traffic import Traffic
from tests.whales.watched import Watched

PAYMENTS_A_SECOND = 200
BLOCK_SECONDS = 10.0
_STEP_SECONDS, _LOOK_SECONDS = 0.2, 1.0
_ACT_SECONDS = 1.0
# What was not sent while bitcoind was away is sent after it, so many at once.
_MOST_LATE_SECONDS = 10.0
_MOST_AT_ONCE = 400
_BETWEEN_FAULTS_SECONDS = 40.0
# Until all parts that were killed are at work again.
_RECOVERY_SECONDS = 12.0
_SILENCE_SECONDS = 15.0
# In the rest of the time detector and websocket live on, so that it shows whether they grow.
_SHARE_OF_KILLS = 1 / 3


class Course:
    """Runs once.

    Args:
        it: All parts run.
        relay: Between bitcoind and the detector.
        seed: Of all chances.

    Attributes:
        storm: What goes on.
        orderly_restarts: Of bitcoind.
        silences: Of its ZMQ.
    """

    def __init__(self, it: Watched, relay: Relay, seed: int) -> None:
        self._chance = random.Random(f"soak/{seed}")  # noqa: S311 - which fault comes next is no secret
        self.storm = Storm(it, self._chance, self._step, step_seconds=_STEP_SECONDS, look_seconds=_LOOK_SECONDS)
        self.orderly_restarts = self.silences = 0
        self._silent_moments: list[float] = []
        self._relay = relay
        self._paid_at = time.monotonic()
        self._act_at = self._block_at = self._paid_at

    @property
    def moments(self) -> list[float]:
        """When anything was ended, begun, silenced or let through, by the monotonic clock."""
        return [*self.storm.faults.moments, *self._silent_moments]

    def run(self, seconds: float) -> None:
        """Take so long."""
        began = time.monotonic()
        between_seconds = min(_BETWEEN_FAULTS_SECONDS, seconds / 8)
        while (passed_seconds := time.monotonic() - began) < seconds:
            if passed_seconds < _SHARE_OF_KILLS * seconds:
                self.storm.faults.strike()
            else:
                self._chance.choice((self._kill_bitcoind, self._restart_bitcoind, self._silence))()
            self.storm.live(self._chance.uniform(between_seconds / 2, 3 * between_seconds / 2))
        self.storm.end()

    def _step(self, traffic: Traffic, are_blocks_safe: bool) -> None:  # noqa: FBT001 - as a Storm calls it
        now = time.monotonic()
        late_seconds, self._paid_at = min(now - self._paid_at, _MOST_LATE_SECONDS), now
        wanted = PAYMENTS_A_SECOND * late_seconds
        while wanted > 0:
            traffic.pay(min(wanted, _MOST_AT_ONCE))
            wanted -= _MOST_AT_ONCE
        if now >= self._act_at:
            self._act_at = now + self._chance.expovariate(1 / _ACT_SECONDS)
            traffic.act(with_blocks=False)
        if are_blocks_safe and now >= self._block_at:
            self._block_at = now + min(4 * BLOCK_SECONDS, self._chance.expovariate(1 / BLOCK_SECONDS))
            traffic.act_on_blocks()

    def _kill_bitcoind(self) -> None:
        self.storm.faults.strike(["bitcoind"])

    def _restart_bitcoind(self) -> None:
        self.orderly_restarts += 1
        self.storm.faults.restart_bitcoind()

    def _silence(self) -> None:
        self.storm.live(_RECOVERY_SECONDS)
        self.silences += 1
        self._relay.swallow()
        self._silent_moments.append(time.monotonic())
        self.storm.attention.ends(self._silent_moments[-1])
        self.storm.attention.begins(self._silent_moments[-1], is_polling=True)
        self.storm.live(_SILENCE_SECONDS)
        self._relay.go_on()
        self._silent_moments.append(time.monotonic())
        self.storm.attention.ends(self._silent_moments[-1])
        self.storm.silent_until = datetime.now(UTC)

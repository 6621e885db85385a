"""Parts that are killed at chosen moments, and started again a little later."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from tests.whales.appliance import WhaleAppliance
from tests.whales.attention import Attention
from tests.whales.parts import PATIENCE_SECONDS

# How often which of them is struck.
_WEIGHTS = {"bitcoind": 4, "detector": 5, "websocket": 3}
# Without which of them no whale is seen.
_SEEING = {"bitcoind", "detector"}
_MOST_DOWN_SECONDS = 1.5
_MOST_LATER_SECONDS = 0.05


class Faults:
    """Kills parts.

    Whoever owns it calls `mend` again and again; bitcoind and the detector are started there, which takes a moment.

    Args:
        appliance: Whose parts; they run.
        attention: Learns when the detector cannot see the mempool any longer.
        chance: All that is random.

    Attributes:
        kills: How many by the name of the part.
        seeing_since: When both bitcoind and the detector were last started; of no meaning while one of them is down.
        moments: When anything was ended or started, by the monotonic clock.
    """

    def __init__(self, appliance: WhaleAppliance, attention: Attention, chance: random.Random) -> None:
        self.kills: Counter[str] = Counter()
        self.moments: list[float] = []
        self._appliance = appliance
        self._attention = attention
        self._chance = chance
        self._due: dict[str, float] = {}
        self._at_work: dict[str, threading.Thread] = {}
        self.seeing_since = datetime.now(UTC)

    @property
    def total(self) -> int:
        """All kills."""
        return self.kills.total()

    @property
    def is_bitcoind_down(self) -> bool:
        """Whether bitcoind has ended, and was not started yet."""
        return "bitcoind" in self._due and self.are_blocks_safe

    @property
    def can_see(self) -> bool:
        """Whether bitcoind and the detector run, and nobody is about to kill them."""
        return not _SEEING.intersection(self._due) and self.are_blocks_safe

    @property
    def are_blocks_safe(self) -> bool:
        """Whether a block that is mined now will be there later."""
        return "bitcoind" not in self._at_work

    def strike(self, names: Collection[str] = tuple(_WEIGHTS)) -> None:
        """Kill one of these parts, now or in a few milliseconds; none if they are all down."""
        self._tidy()
        kill = {"bitcoind": self._kill_bitcoind, "detector": self._kill_detector, "websocket": self._kill_websocket}
        able = [name for name in names if self._is_up(name)]
        if able:
            (name,) = self._chance.choices(able, [_WEIGHTS[each] for each in able])
            kill[name]()
            self.kills[name] += 1
            self.moments.append(time.monotonic())

    def restart_bitcoind(self) -> None:
        """End bitcoind in an orderly way, if it runs; it is started again a little later."""
        self._tidy()
        if self._is_up("bitcoind"):
            self._attention.ends(time.monotonic())
            self._plan("bitcoind")
            self._in_background("bitcoind", self._appliance.bitcoind.stop)
            self.moments.append(time.monotonic())

    def mend(self) -> bool:
        """Start what has been down for long enough; return whether bitcoind has come back by that."""
        self._tidy()
        now = time.monotonic()
        due = [name for name, at in self._due.items() if at <= now and name not in self._at_work]
        for name in due:
            if name == "detector":
                self._appliance.detector.start(wait=False)
            elif name == "bitcoind":
                self._appliance.bitcoind.start()
            else:
                self._in_background(name, self._appliance.websocket.start)
            del self._due[name]
        if due:
            self.moments.append(time.monotonic())
        if _SEEING.intersection(due) and not _SEEING.intersection(self._due):
            self.seeing_since = datetime.now(UTC)
        return "bitcoind" in due

    def mend_all(self) -> bool:
        """Start all that is down, and wait for it; return whether bitcoind has come back by that."""
        self._wait()
        self._due = dict.fromkeys(self._due, 0.0)
        has_come_back = self.mend()
        self._wait()
        return has_come_back

    def _kill_bitcoind(self) -> None:
        is_saved, later_seconds = self._chance.random() < 1 / 2, self._chance.uniform(0, _MOST_LATER_SECONDS)

        def kill() -> None:
            time.sleep(later_seconds)
            self._appliance.bitcoind.kill(saved=is_saved)

        self._attention.ends(time.monotonic())
        self._plan("bitcoind")
        # Somebody else's transactions are on their way in this moment.
        self._in_background("bitcoind", kill)

    def _kill_detector(self) -> None:
        self._attention.ends(time.monotonic())
        self._plan("detector")
        self._appliance.detector.kill()

    def _kill_websocket(self) -> None:
        self._plan("websocket")
        self._in_background("websocket", self._appliance.websocket.kill)

    def _plan(self, name: str) -> None:
        self._due[name] = time.monotonic() + self._chance.uniform(0, _MOST_DOWN_SECONDS)

    def _is_up(self, name: str) -> bool:
        return name not in self._due and name not in self._at_work

    def _in_background(self, name: str, work: Callable[[], object]) -> None:
        self._at_work[name] = threading.Thread(target=work)
        self._at_work[name].start()

    def _wait(self) -> None:
        for thread in self._at_work.values():
            thread.join(PATIENCE_SECONDS)

    def _tidy(self) -> None:
        self._at_work = {name: thread for name, thread in self._at_work.items() if thread.is_alive()}

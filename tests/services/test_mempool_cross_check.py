"""What is said when electrs and mempool see more, less, or nothing of what the detector sees waiting."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from app.domain.mempool.sight import MempoolSight
from app.services.health import SkippedError
from app.services.mempool_cross_check import CrossCheck
from tests.fakes.whale_clock import SimulatedClock

OURS = MempoolSight(5_300, 2_900_000)
ALIKE = MempoolSight(5_310, 2_905_000)
FAR_MORE = MempoolSight(110_000, 52_000_000)
EVERY_SECONDS = 5


@dataclass
class Beside:
    """An upstream that sees what it is told to, and takes its time."""

    sees: MempoolSight | None = ALIKE
    fails: bool = False
    takes_seconds: float = 0
    clock: SimulatedClock | None = None
    asked_within: list[float] = field(default_factory=list)

    def probe(self) -> str:
        if self.clock:
            self.clock.advance(self.takes_seconds)
        if self.fails:
            raise SkippedError("none here")
        return "well"

    def waiting(self, within_seconds: float) -> MempoolSight | None:
        self.asked_within.append(within_seconds)
        return self.sees


class Health:
    """Both of them, looked at every five seconds beside a detector."""

    def __init__(self) -> None:
        self.ours: MempoolSight | None = OURS
        self.electrs, self.mempool = Beside(), Beside()
        self.clock = SimulatedClock()
        self.cross_check = CrossCheck(lambda: self.ours, self.clock.seconds)

    def look(self) -> list[str]:
        """Return what each says; nothing of those that fail."""
        said = []
        for name, upstream in (("electrs", self.electrs), ("mempool", self.mempool)):
            try:
                said.append(self.cross_check.check(name, upstream))
            except SkippedError:
                continue
        return said

    def go_on(self, seconds: float) -> None:
        for _ in range(round(seconds / EVERY_SECONDS)):
            self.clock.advance(EVERY_SECONDS)
            self.look()


@pytest.fixture
def health() -> Health:
    return Health()


def test_each_says_how_much_it_sees_beside_the_detector(health: Health) -> None:
    health.electrs.sees = MempoolSight(1, 141)
    assert health.look() == [
        "well, sees 1 waiting transaction, the detector 5,300",
        "well, sees 5,310 waiting transactions, the detector 5,300",
    ]
    assert health.cross_check.doubt() == ""


def test_who_does_not_say_what_waits_says_so_and_doubts_nothing(health: Health) -> None:
    health.electrs.sees = health.mempool.sees = None
    assert health.look() == ["well, which does not say what waits"] * 2
    health.go_on(120)
    assert health.cross_check.doubt() == ""


def test_while_the_detector_does_not_know_its_mempool_nobody_contradicts_it(health: Health) -> None:
    health.electrs.sees = health.mempool.sees = FAR_MORE
    health.ours = None
    assert health.look()[0] == "well, sees 110,000 waiting transactions"
    health.go_on(120)
    assert health.cross_check.doubt() == ""
    health.ours = OURS
    health.go_on(60)
    assert health.cross_check.doubt() == ""


def test_a_detector_that_both_contradict_for_more_than_a_minute_is_doubted_until_one_agrees(health: Health) -> None:
    health.electrs.sees = health.mempool.sees = FAR_MORE
    health.look()
    health.go_on(60)
    assert health.cross_check.doubt() == ""
    health.go_on(5)
    assert health.cross_check.doubt() == (
        "electrs sees 110,000 waiting transactions of 52.0 MvB and mempool sees 110,000 waiting transactions of 52.0 "
        "MvB, the detector 5,300 waiting transactions of 2.9 MvB; if that is of the same bitcoind, restart "
        "utxoracle-detector"
    )
    health.mempool.sees = ALIKE
    health.go_on(5)
    assert health.cross_check.doubt() == ""


def test_a_contradiction_that_was_broken_off_begins_anew(health: Health) -> None:
    health.electrs.sees = health.mempool.sees = FAR_MORE
    health.go_on(60)
    health.electrs.sees = health.mempool.sees = ALIKE
    health.go_on(5)
    health.electrs.sees = health.mempool.sees = FAR_MORE
    health.go_on(60)
    assert health.cross_check.doubt() == ""


def test_one_that_contradicts_while_the_other_agrees_is_no_doubt(health: Health) -> None:
    health.electrs.sees = FAR_MORE
    health.go_on(300)
    assert health.cross_check.doubt() == ""


def test_the_only_one_that_answers_is_enough_for_a_doubt(health: Health) -> None:
    health.electrs.fails = True
    health.mempool.sees = FAR_MORE
    health.go_on(70)
    assert health.cross_check.doubt().startswith("mempool sees 110,000")


def test_that_neither_is_there_changes_nothing(health: Health) -> None:
    health.electrs.sees = health.mempool.sees = FAR_MORE
    health.go_on(70)
    assert health.cross_check.doubt()
    health.electrs.fails = health.mempool.fails = True
    health.go_on(5)
    assert health.cross_check.doubt() == ""


def test_the_last_word_of_one_that_hangs_is_soon_forgotten(health: Health) -> None:
    health.electrs.sees = health.mempool.sees = FAR_MORE
    health.go_on(70)
    health.clock.advance(16)
    assert health.cross_check.doubt() == ""
    health.look()
    assert health.cross_check.doubt() == ""


def test_what_it_sees_is_asked_only_in_what_is_left_of_the_checks_time(health: Health) -> None:
    slow = Beside(takes_seconds=1.0, clock=health.clock)
    assert health.cross_check.check("electrs", slow) == "well, sees 5,310 waiting transactions, the detector 5,300"
    assert slow.asked_within == [pytest.approx(0.6)]
    slow.takes_seconds = 1.55
    assert health.cross_check.check("electrs", slow) == "well, which does not say what waits"
    assert len(slow.asked_within) == 1

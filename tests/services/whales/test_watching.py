"""The detector at work: what it tells whoever waits for a sign of life, and what it does about memory and scores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import pytest

from app.domain.whales.score import Figure, Resolved
from app.services.heartbeats import Heartbeat
from app.services.storage import StorageError
from app.services.whales.mempool_node import Heard
from app.services.whales.scores import Mark, Scores, Seen, WindowScore
from app.services.whales.watching import SignOfLife, Watching
from tests.fakes.whale_clock import SimulatedClock
from tests.fakes.whale_node import SimulatedNode
from tests.fakes.whale_watch import Watch

LIMIT_BYTES = 500_000_000
SHORT_BYTES, ENOUGH_BYTES = 425_000_001, 425_000_000
# From which on health says that the detector is silent.
SILENT_SECONDS = 30


class Stream:
    """What the simulated node says, for whoever waits for it; time passes only in waiting."""

    def __init__(self, node: SimulatedNode, clock: SimulatedClock) -> None:
        self.node = node
        self.clock = clock
        self.is_closed = False

    @property
    def is_connected(self) -> bool:
        return self.node.is_publishing

    def receive(self, timeout_seconds: float, most: int) -> Sequence[Heard]:
        heard = self.node.heard(most)
        if not heard:
            self.clock.advance(timeout_seconds)
        return heard

    def close(self) -> None:
        self.is_closed = True


class Told:
    """All that is told to health and to systemd, and kept as score, with the time.

    Attributes:
        is_failing: The database takes nothing.
        beats: Time by the monotonic clock, and what was said.
        alive_at: When systemd was told.
        scored_at: When scores were kept.
    """

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self.is_failing = False
        self.beats: list[tuple[float, Heartbeat]] = []
        self.alive_at: list[float] = []
        self.scored_at: list[float] = []

    def beat(self, heartbeat: Heartbeat) -> None:
        self._may_fail()
        self.beats.append((self.clock.seconds(), heartbeat))

    def last(self, service: str) -> Heartbeat | None:
        return next((beat for _, beat in reversed(self.beats) if beat.service == service), None)

    def ready(self) -> None:
        """Answer Supervisor."""

    def alive(self) -> None:
        self.alive_at.append(self.clock.seconds())

    def stopping(self) -> None:
        """Answer Supervisor."""

    def resolved(self, start: datetime, end: datetime) -> Sequence[Resolved]:  # noqa: ARG002 - of the port
        return []

    def accuracy(self, start: datetime, end: datetime) -> Figure:  # noqa: ARG002 - of the port
        return Figure(None, 0)

    def seen(self, start: datetime, end: datetime) -> Seen:  # noqa: ARG002 - of the port
        return Seen(0, Figure(None, 0), 0)

    def mark(self, start: datetime, end: datetime) -> Mark:  # noqa: ARG002 - of the port
        return Mark(0, None, 0, 0)

    def kept_since(self) -> datetime | None:
        self._may_fail()
        return None

    def keep(self, scores: Sequence[WindowScore], recent: Figure, now: datetime) -> None:  # noqa: ARG002 - of the port
        self._may_fail()
        self.scored_at.append(self.clock.seconds())

    def _may_fail(self) -> None:
        if self.is_failing:
            raise StorageError("the disk is full")


class Work:
    """A detector at work on a simulated node.

    Attributes:
        used_bytes: Of memory; what can be given back is given back.
        freed_bytes: That can be.
    """

    def __init__(self) -> None:
        self.watch = Watch()
        self.watch.start()
        self.told = Told(self.watch.clock)
        self.stream = Stream(self.watch.node, self.watch.clock)
        self.used_bytes: int | None = ENOUGH_BYTES
        self.freed_bytes = 0
        clocks = self.watch.clock.clocks
        self.watching = Watching(
            detector=self.watch.detector,
            stream=self.stream,
            scores=Scores(self.told),
            sign_of_life=SignOfLife(self.told, self.told, "here", clocks),
            clocks=clocks,
            give_back=self.give_back,
            used_bytes=lambda: self.used_bytes,
            limit_bytes=LIMIT_BYTES,
        )
        self.go_on(60)

    def give_back(self) -> None:
        if self.used_bytes is not None:
            self.used_bytes -= self.freed_bytes
        self.freed_bytes = 0

    def go_on(self, seconds: float) -> None:
        """Take turns for so long."""
        until_seconds = self.watch.clock.seconds() + seconds
        while self.watch.clock.seconds() < until_seconds:
            self.watching.turn()

    def follow(self, count: int) -> None:
        for _ in range(count):
            self.watch.send(150)
        self.go_on(2)
        assert self.watch.figures["followed"] == count

    @property
    def last_word(self) -> Heartbeat:
        return self.told.beats[-1][1]


@pytest.fixture
def work() -> Work:
    """A detector that has been at work for a minute."""
    return Work()


def longest_seconds(times: Sequence[float]) -> float:
    return max(after - before for before, after in pairwise(times))


def test_as_long_as_nothing_changes_health_hears_every_ten_seconds_and_systemd_every_second(work: Work) -> None:
    work.told.beats.clear()
    work.told.alive_at.clear()
    work.go_on(60)
    assert len(work.told.beats) == 6
    assert longest_seconds([at for at, _ in work.told.beats]) == pytest.approx(10, abs=0.3)
    assert 50 <= len(work.told.alive_at) <= 60
    assert longest_seconds(work.told.alive_at) == pytest.approx(1, abs=0.3)
    word = work.last_word
    assert (word.service, word.host, word.state) == ("detector", "here", "ok")
    assert word.detail == {**work.watch.figures, "problems": {}}


def test_health_hears_at_once_of_what_is_wrong_and_that_it_is_over(work: Work) -> None:
    work.go_on(5)
    work.watch.node.is_away = True
    work.watch.send(150)
    work.go_on(1.2)
    assert work.last_word.state == "degraded"
    assert "node" in work.last_word.detail["problems"]
    work.watch.node.is_away = False
    work.go_on(2)
    assert (work.last_word.state, work.last_word.detail["problems"]) == ("ok", {})


def test_while_a_node_hangs_health_and_systemd_hear_of_it_after_each_turn(work: Work) -> None:
    work.told.beats.clear()
    work.told.alive_at.clear()
    work.watch.node.hangs_for_seconds = 10
    work.watch.node.mine(work.watch.send(150))
    work.go_on(300)
    assert longest_seconds([at for at, _ in work.told.beats]) < SILENT_SECONDS
    assert longest_seconds(work.told.alive_at) < SILENT_SECONDS
    assert work.last_word.detail["problems"] == {"node": "does not answer in time"}


def test_a_database_that_takes_no_heartbeat_and_no_score_ends_nothing(work: Work) -> None:
    work.told.is_failing = True
    beats, scored = len(work.told.beats), len(work.told.scored_at)
    whale = work.watch.send(150)
    work.go_on(120)
    assert len(work.watch.alerts(whale)) == 1
    assert (len(work.told.beats), len(work.told.scored_at)) == (beats, scored)
    work.told.is_failing = False
    work.go_on(60.5)
    assert len(work.told.beats) > beats
    assert len(work.told.scored_at) > scored


def test_scores_are_kept_once_a_minute(work: Work) -> None:
    work.told.scored_at.clear()
    work.go_on(301)
    assert len(work.told.scored_at) == 5
    assert longest_seconds(work.told.scored_at) == pytest.approx(60, abs=0.3)


def test_what_a_burst_leaves_behind_is_given_back_within_a_second_or_so(work: Work) -> None:
    assert work.used_bytes is not None
    work.go_on(5)
    work.freed_bytes = 10_000_000
    work.used_bytes += work.freed_bytes
    work.go_on(1.5)
    assert work.used_bytes == ENOUGH_BYTES


def test_when_memory_is_short_half_of_the_whales_are_followed_and_health_says_so_until_it_is_there_again(
    work: Work,
) -> None:
    work.follow(300)
    work.used_bytes = SHORT_BYTES
    work.go_on(6)
    assert work.watch.figures["followed"] == 150
    assert work.last_word.state == "degraded"
    assert work.last_word.detail["problems"] == {"memory": "memory is short: no more than 150 whales are followed"}
    work.used_bytes = ENOUGH_BYTES
    work.go_on(6)
    assert (work.last_word.state, work.last_word.detail["problems"]) == ("ok", {})
    work.go_on(60)
    assert work.watch.figures["followed"] == 300


def test_however_short_memory_is_a_hundred_whales_are_followed(work: Work) -> None:
    work.follow(150)
    work.used_bytes = 10 * LIMIT_BYTES
    work.go_on(60)
    assert work.watch.figures["followed"] == 100
    assert work.watch.figures["let_go"] == 50


def test_no_whale_is_let_go_for_memory_that_can_be_given_back(work: Work) -> None:
    work.follow(150)
    work.used_bytes, work.freed_bytes = 10 * LIMIT_BYTES, 9 * LIMIT_BYTES + LIMIT_BYTES // 2
    work.go_on(6)
    assert (work.watch.figures["let_go"], work.watch.problems) == (0, {})


def test_where_the_use_of_memory_cannot_be_known_no_whale_is_let_go(work: Work) -> None:
    work.follow(150)
    work.used_bytes = None
    work.go_on(6)
    assert (work.watch.figures["let_go"], work.watch.problems) == (0, {})


def test_as_long_as_there_is_work_it_does_not_wait_for_messages(work: Work) -> None:
    for _ in range(500):
        work.watch.send(150)
    before_seconds = work.watch.clock.seconds()
    while len(work.watch.alerts()) < 500:
        work.watching.turn()
    assert work.watch.clock.seconds() == before_seconds


def test_in_the_end_it_listens_no_longer(work: Work) -> None:
    work.watching.close()
    assert work.stream.is_closed

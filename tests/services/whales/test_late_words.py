"""Bytes and word of a transaction that come far apart, since a busy node makes turns long and queues fill meanwhile."""

from __future__ import annotations

import sys
from collections import deque

import pytest

from app.services.whales.mempool_node import Heard, Topic
from tests.fakes.whale_transactions import Sent
from tests.fakes.whale_watch import Watch

# Of messages; so that few do what many do to the detector of an appliance.
MOST_A_TURN = 100


class TwoAddresses:
    """Hears bytes and words from an address each, in turns, and no more than so many messages a turn."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.queues: tuple[deque[Heard], deque[Heard]] = deque(), deque()

    def turn(self, after_seconds: float) -> None:
        self.watch.clock.advance(after_seconds)
        for message in self.watch.node.heard():
            self.queues[message.topic is not Topic.RAW].append(message)
        heard: list[Heard] = []
        while any(self.queues) and len(heard) < MOST_A_TURN:
            heard += [queue.popleft() for queue in self.queues if queue]
        self.watch.detector.hear(heard, is_connected=True)
        self.watch.detector.turn()

    def go_on(self, slow_turns: int) -> None:
        """Take turns of half a minute, in each of which comes what draws a look; then more, until all is heard."""
        for _ in range(slow_turns):
            self.turn(27)
            self.watch.send(120)
        for _ in range(30):
            self.turn(20)


@pytest.fixture
def watch() -> Watch:
    # The mempool of the main network is larger than what is read again after each silence.
    return Watch(most_reread=5)


@pytest.fixture
def small(watch: Watch) -> list[Sent]:
    """Return payments that fill the mempool, all of which the detector has heard of long ago."""
    watch.start()
    watch.wait(5)
    sent = [watch.send(1) for _ in range(260)]
    watch.wait(30)
    return sent


def test_a_whale_whose_word_waits_behind_very_many_others_is_alerted_to(watch: Watch, small: list[Sent]) -> None:
    for evicted in small:
        watch.node.evict(evicted)
    whale = watch.send(150)
    TwoAddresses(watch).go_on(slow_turns=6)
    assert len(watch.alerts(whale)) == 1


def test_a_whale_whose_bytes_wait_behind_those_of_blocks_is_alerted_to(watch: Watch, small: list[Sent]) -> None:
    for start in range(0, len(small), 50):
        watch.node.mine(*small[start : start + 50])
    whale = watch.send(150)
    TwoAddresses(watch).go_on(slow_turns=8)
    assert len(watch.alerts(whale)) == 1


def test_bytes_of_which_no_word_ever_comes_do_not_pile_up(watch: Watch) -> None:
    watch.start()
    watch.wait(5)
    raws = [watch.payment(150).raw for _ in range(200)]
    alone = sys.getrefcount(raws[0])
    for raw in raws:
        watch.clock.advance(1)
        watch.detector.hear([Heard(Topic.RAW, raw, 0)], is_connected=True)
    held = sum(sys.getrefcount(raws[number]) > alone for number in range(len(raws)))
    # Those of forty seconds, of which half a second goes by in a turn; the last one has a name here as well.
    assert 40 <= held <= 81

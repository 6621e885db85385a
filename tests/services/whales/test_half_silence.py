"""One of the two topics of the stream is not heard, as with a wrong address of it: polling, until both speak again."""

from __future__ import annotations

import pytest

from app.services.whales.half_silence import HalfSilence
from app.services.whales.listening_time import ListeningTime
from app.services.whales.mempool_node import Topic
from tests.fakes.whale_node import NO_TOPIC
from tests.fakes.whale_watch import Watch

TOPICS = ["rawtx", "sequence"]


@pytest.fixture
def watch() -> Watch:
    """A detector that listens to a node with more transactions than a lull is reason enough to look at again."""
    watch = Watch(most_reread=0)
    watch.start()
    watch.turns()
    return watch


def go_on(watch: Watch, seconds: float) -> None:
    """Let a payment come every half second."""
    for _ in range(int(2 * seconds)):
        watch.send(1)
        watch.turn(after_seconds=0.5)


@pytest.mark.parametrize("topic", TOPICS)
def test_half_of_the_stream_that_is_mute_is_noticed_and_what_came_meanwhile_is_found(watch: Watch, topic: str) -> None:
    watch.node.losing = frozenset({topic})
    whale = watch.send(150)
    go_on(watch, 7)
    assert f"nothing comes by {topic}" in watch.problems["stream"]
    assert watch.figures["source"] == "polling"
    assert len(watch.alerts(whale)) == 1


@pytest.mark.parametrize("topic", TOPICS)
def test_while_half_of_the_stream_is_mute_whales_are_found_within_five_seconds(watch: Watch, topic: str) -> None:
    watch.node.losing = frozenset({topic})
    go_on(watch, 6)
    whale = watch.send(150)
    go_on(watch, 5)
    assert len(watch.alerts(whale)) == 1
    watch.node.mine(whale)
    go_on(watch, 5)
    assert watch.updates(whale) == [("pending", "confirmed", None)]


@pytest.mark.parametrize("topic", TOPICS)
def test_all_is_well_when_both_halves_speak_again(watch: Watch, topic: str) -> None:
    watch.node.losing = frozenset({topic})
    go_on(watch, 10)
    watch.node.losing = NO_TOPIC
    go_on(watch, 2)
    assert watch.problems == {}
    assert watch.figures["source"] == "stream"
    whale = watch.send(150)
    watch.turns(2)
    assert [alert["source"] for alert in watch.alerts(whale)] == ["stream"]


@pytest.mark.parametrize("topic", TOPICS)
def test_one_message_without_its_other_half_before_a_lull_is_found_and_no_fault(watch: Watch, topic: str) -> None:
    watch.node.losing = frozenset({topic})
    whale = watch.send(150)
    watch.turn()
    watch.node.losing = NO_TOPIC
    watch.wait(60)
    assert watch.problems == {}
    assert len(watch.alerts(whale)) == 1


@pytest.mark.parametrize("topic", TOPICS)
def test_half_of_a_stream_that_seldom_speaks_is_noticed_as_well(watch: Watch, topic: str) -> None:
    watch.node.losing = frozenset({topic})
    whales = []
    for _ in range(3):
        whales.append(watch.send(150))
        watch.wait(40)
    assert f"nothing comes by {topic}" in watch.problems["stream"]
    assert [len(watch.alerts(whale)) for whale in whales] == [1, 1, 1]


def test_what_a_block_or_the_mempool_says_alone_for_a_while_is_no_fault() -> None:
    halves, listened = HalfSilence(), ListeningTime()
    # The bytes of a block before its word, however long the turns between them take.
    for turn in range(9):
        listened.note(10.0 * turn)
        assert not halves.note({Topic.RAW}, listened.seconds)
    assert not halves.note({Topic.CONNECTED}, listened.seconds)
    for turn in range(100):
        listened.note(100.0 + turn)
        assert not halves.note({Topic.REMOVED} if turn % 2 else (), listened.seconds)
    assert halves.mute is None

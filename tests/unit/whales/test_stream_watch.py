"""Whether the stream can be relied on, and when the next snapshot is due."""

from __future__ import annotations

from app.services.whales.limits import DetectorLimits
from app.services.whales.mempool_node import Topic
from app.services.whales.stream_watch import StreamWatch
from tests.fakes.whale_clock import SimulatedClock
from tests.fakes.whale_node import SimulatedNode
from tests.fakes.whale_transactions import BTC, pay, script_of

LIMITS = DetectorLimits(threshold_sat=1)
NOW = 1_000.0
MANY = 300_000


def listening() -> StreamWatch:
    """Return one that is connected, has just heard something, and has just taken a snapshot."""
    watch = StreamWatch(LIMITS, is_wanted=True)
    watch.note(1, NOW, is_connected=True)
    watch.snapshot_taken(NOW)
    return watch


def is_due(watch: StreamWatch, after_seconds: float, *, is_busy: bool = False) -> bool:
    return watch.is_snapshot_due(NOW + after_seconds, is_busy=is_busy)


def test_the_first_snapshot_is_due_at_once() -> None:
    assert is_due(StreamWatch(LIMITS, is_wanted=True), 0)


def test_all_is_well_for_half_an_hour() -> None:
    watch = listening()
    assert not is_due(watch, 1_799)
    assert is_due(watch, 1_800)


def test_a_loss_makes_one_due_but_never_more_than_one_a_second() -> None:
    watch = listening()
    watch.resynchronise(NOW + 0.2)
    assert not is_due(watch, 0.9)
    assert is_due(watch, 1)


def test_without_a_connection_one_is_due_every_three_seconds_from_then_on() -> None:
    watch = listening()
    watch.note(0, NOW + 100, is_connected=False)
    assert is_due(watch, 100)
    watch.snapshot_taken(NOW + 100)
    assert not is_due(watch, 102)
    assert is_due(watch, 103)


def test_while_the_last_one_is_still_being_read_polling_waits_and_a_loss_waits_ten_seconds() -> None:
    watch = listening()
    watch.resynchronise(NOW)
    assert not is_due(watch, 9, is_busy=True)
    assert is_due(watch, 10, is_busy=True)
    watch.note(0, NOW + 20, is_connected=False)
    assert not is_due(watch, 60, is_busy=True)
    assert is_due(watch, 60)


def test_a_connection_that_is_lost_is_no_fault_before_three_seconds() -> None:
    watch = listening()
    watch.note(0, NOW + 10, is_connected=False)
    assert watch.problem(NOW + 12.9) is None
    assert "no connection" in (watch.problem(NOW + 13) or "")


def test_polling_by_the_operators_own_wish_is_no_fault() -> None:
    watch = StreamWatch(LIMITS, is_wanted=False)
    watch.note(0, NOW, is_connected=False)
    assert watch.is_polling
    assert watch.problem(NOW + 99) is None


def test_a_stream_is_silent_when_the_mempool_changes_without_a_word_and_no_longer_with_the_next_word() -> None:
    node, watch = SimulatedNode(SimulatedClock()), listening()
    for tenths in range(100):
        if tenths % 10 == 0:
            node.send(pay([node.give(BTC, script_of(1))], [(BTC - 1_000, script_of(2))]))
        watch.note(0, NOW + tenths / 10, is_connected=True)
        watch.listen(node, MANY, NOW + tenths / 10)
        if watch.is_polling:
            break
    assert tenths / 10 < 5
    assert "silent" in (watch.problem(NOW + tenths / 10) or "")
    assert is_due(watch, tenths / 10)
    watch.note(1, NOW + 20, is_connected=True)
    assert not watch.is_polling
    assert is_due(watch, 20)


def test_a_lull_is_reason_for_one_snapshot_while_the_mempool_is_small() -> None:
    node, small, large = SimulatedNode(SimulatedClock()), listening(), listening()
    for tenths in range(100):
        small.listen(node, 5_000, NOW + tenths / 10)
        large.listen(node, 5_001, NOW + tenths / 10)
        if tenths == 20:
            assert (is_due(small, 2), is_due(large, 2)) == (True, False)
            small.snapshot_taken(NOW + 2)
    assert not is_due(small, 10)
    assert not small.is_polling


def test_what_was_half_heard_is_in_doubt_from_a_loss_until_a_snapshot_has_been_taken() -> None:
    watch = listening()
    assert not watch.is_in_doubt
    watch.resynchronise(NOW + 5)
    assert watch.is_in_doubt
    watch.snapshot_taken(NOW + 60)
    assert not watch.is_in_doubt


def test_it_is_in_doubt_while_one_half_has_spoken_alone_and_while_there_is_no_stream() -> None:
    watch = listening()
    watch.compare({Topic.ADDED}, NOW + 1)
    assert watch.is_in_doubt
    watch.compare({Topic.RAW}, NOW + 2)
    assert not watch.is_in_doubt
    watch.note(0, NOW + 3, is_connected=False)
    watch.snapshot_taken(NOW + 3)
    assert watch.is_in_doubt


def test_a_node_that_does_not_answer_is_asked_again_and_not_taken_for_silent() -> None:
    node, watch = SimulatedNode(SimulatedClock()), listening()
    node.requests.clear()
    for seconds in range(2, 30):
        watch.listen(node, MANY, NOW + seconds)
    assert 10 <= node.requests.count("pulse") <= 20
    assert not watch.is_polling

"""Transactions between the moment they were heard of and the moment they have been looked at."""

from __future__ import annotations

from app.services.whales.candidates import Candidate, Candidates


def test_one_is_ready_when_its_bytes_and_the_word_that_it_entered_are_there() -> None:
    candidates = Candidates(10)
    candidates.heard("a", b"raw", 0.0)
    assert candidates.ready(5) == {}
    assert candidates.entered("a")
    assert candidates.ready(5) == {"a": Candidate(b"raw", "stream")}
    assert len(candidates) == 1


def test_they_are_looked_at_in_their_order_and_stay_until_that_is_done() -> None:
    candidates = Candidates(10)
    for name in "abc":
        candidates.add(name, b"", "stream")
    assert list(candidates.ready(2)) == ["a", "b"]
    candidates.done("a")
    assert list(candidates.ready(2)) == ["b", "c"]


def test_no_more_wait_for_their_other_half_than_may() -> None:
    candidates = Candidates(2)
    for name in "abc":
        candidates.heard(name, b"", 0.0)
    assert all(candidates.entered(name) for name in "abc")
    assert list(candidates.ready(9)) == ["b", "c"]


def test_no_more_are_ready_than_may_and_those_beyond_are_said_to_be_turned_away() -> None:
    candidates = Candidates(2)
    assert candidates.add("a", b"", "stream")
    assert candidates.add("b", b"", "stream")
    assert candidates.is_full
    assert candidates.add("a", b"", "stream")
    assert not candidates.add("c", b"", "stream")
    candidates.heard("d", b"", 0.0)
    assert not candidates.entered("d")
    candidates.done("a")
    assert candidates.add("c", b"", "stream")


def test_one_that_left_the_mempool_waits_for_a_block_and_then_no_longer() -> None:
    candidates = Candidates(10)
    candidates.add("a", b"raw", "stream")
    candidates.vanish("a", 5.0)
    candidates.vanish("never there", 5.0)
    assert len(candidates) == 0
    assert candidates.source_of("a") == "stream"
    assert candidates.not_shown(4.9) == {}
    assert candidates.not_shown(5.0) == {"a": Candidate(b"raw", "stream")}
    candidates.mined("a")
    assert candidates.not_shown(9.0) == {}
    assert candidates.source_of("a") is None


def test_one_whose_bytes_could_not_be_had_is_remembered_for_a_block() -> None:
    candidates = Candidates(2)
    for name in "abc":
        candidates.unread(name)
    assert [candidates.source_of(name) for name in "abc"] == [None, "snapshot", "snapshot"]
    candidates.mined("b")
    assert candidates.source_of("b") is None
    candidates.add("c", b"raw", "stream")
    assert candidates.source_of("c") == "stream"


def test_however_many_vanish_while_nobody_can_look_no_more_are_held_than_may_be() -> None:
    candidates = Candidates(2)
    for name in "abc":
        candidates.add(name, b"raw", "stream")
        candidates.vanish(name, 5.0)
    assert list(candidates.not_shown(5.0)) == ["b", "c"]
    # A block may still show it.
    assert [candidates.source_of(name) for name in "abc"] == ["snapshot", "stream", "stream"]


def test_one_is_looked_at_again_a_few_times() -> None:
    candidates = Candidates(10)
    assert [candidates.may_retry("a") for _ in range(5)] == [True, True, True, False, False]
    candidates.done("a")
    assert candidates.may_retry("a")


def test_one_that_left_the_mempool_for_another_reason_than_a_block_waits_for_less_time() -> None:
    candidates = Candidates(10)
    for name in "abcd":
        candidates.add(name, b"raw", "stream")
    candidates.left("a", 1.0)
    candidates.vanish("a", 5.0)
    candidates.vanish("b", 5.0)
    candidates.left("b", 1.0)
    candidates.left("c", 1.0)
    candidates.add("c", b"raw", "stream")
    candidates.vanish("c", 5.0)
    candidates.vanish("d", 0.5)
    candidates.left("d", 1.0)
    candidates.left("never there", 1.0)
    assert list(candidates.not_shown(0.5)) == ["d"]
    assert list(candidates.not_shown(1.0)) == ["a", "b", "d"]


def test_whether_the_bytes_came_first_is_known_until_the_word_comes() -> None:
    candidates = Candidates(10)
    assert not candidates.is_heard("a")
    candidates.heard("a", b"raw", 0.0)
    assert candidates.is_heard("a")
    candidates.entered("a")
    assert not candidates.is_heard("a")


def test_bytes_of_which_no_word_comes_are_let_go_in_time() -> None:
    candidates = Candidates(10)
    for name, listened_seconds in (("a", 0.0), ("b", 25.0), ("c", 50.0)):
        candidates.heard(name, b"raw", listened_seconds)
    assert [candidates.is_heard(name) for name in "abc"] == [False, True, True]

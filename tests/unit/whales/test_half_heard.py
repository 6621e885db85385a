"""Bytes that were heard, until word comes, or none has come for too long."""

from __future__ import annotations

from app.services.whales.half_heard import HalfHeard


def test_bytes_are_there_until_they_are_taken() -> None:
    half_heard = HalfHeard(20.0, 10)
    half_heard.add("a", b"raw", 100.0)
    assert "a" in half_heard
    assert half_heard.pop("a") == b"raw"
    assert "a" not in half_heard
    assert half_heard.pop("a") is None


def test_bytes_of_which_no_word_comes_are_there_for_a_period_and_go_with_the_end_of_the_next() -> None:
    half_heard = HalfHeard(20.0, 10)
    half_heard.add("first", b"", 100.0)
    half_heard.add("last", b"raw", 119.0)
    half_heard.add("of the next", b"", 120.0)
    half_heard.add("of the next", b"", 139.0)
    assert "first" in half_heard
    assert half_heard.pop("last") == b"raw"
    half_heard.add("of the third", b"", 140.0)
    assert "first" not in half_heard
    assert "of the next" in half_heard


def test_what_is_heard_again_is_there_for_as_long_as_the_second_time_says_and_is_taken_once() -> None:
    half_heard = HalfHeard(20.0, 10)
    for at_seconds in (100.0, 125.0):
        half_heard.add("a", b"raw", at_seconds)
    half_heard.add("b", b"", 145.0)
    assert half_heard.pop("a") == b"raw"
    for at_seconds in (150.0, 170.0):
        half_heard.add("a", b"raw", at_seconds)
    assert half_heard.pop("a") == b"raw"
    assert "a" not in half_heard


def test_of_too_many_within_a_period_the_oldest_are_let_go() -> None:
    half_heard = HalfHeard(20.0, 4)
    for name in "abcde":
        half_heard.add(name, b"", 100.0)
    assert [name in half_heard for name in "abcde"] == [False, False, True, True, True]

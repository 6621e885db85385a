"""Bytes that were heard, until word comes, or none has come for too long."""

from __future__ import annotations

from app.services.whales.unconfirmed import Unconfirmed


def test_bytes_are_there_until_they_are_taken() -> None:
    unconfirmed = Unconfirmed(20.0, 10)
    unconfirmed.add("a", b"raw", 100.0)
    assert "a" in unconfirmed
    assert unconfirmed.pop("a") == b"raw"
    assert "a" not in unconfirmed
    assert unconfirmed.pop("a") is None


def test_bytes_of_which_no_word_comes_are_kept_for_one_period_at_least_and_for_two_at_most() -> None:
    unconfirmed = Unconfirmed(20.0, 10)
    unconfirmed.add("first", b"", 100.0)
    unconfirmed.add("a", b"raw", 119.0)
    unconfirmed.add("b", b"", 139.0)
    assert unconfirmed.pop("a") == b"raw"
    unconfirmed.add("c", b"", 140.0)
    assert len(unconfirmed) == 3
    unconfirmed.add("d", b"", 160.0)
    assert "first" not in unconfirmed
    assert len(unconfirmed) == 3


def test_what_is_heard_twice_is_kept_once_for_as_long_as_the_second_time_says() -> None:
    unconfirmed = Unconfirmed(20.0, 10)
    unconfirmed.add("a", b"raw", 100.0)
    unconfirmed.add("a", b"raw", 125.0)
    assert unconfirmed.pop("a") == b"raw"
    assert len(unconfirmed) == 0


def test_of_too_many_within_a_period_the_oldest_are_let_go() -> None:
    unconfirmed = Unconfirmed(20.0, 4)
    for name in "abcde":
        unconfirmed.add(name, b"", 100.0)
        assert len(unconfirmed) <= 4
    assert [name in unconfirmed for name in "abcde"] == [False, False, True, True, True]

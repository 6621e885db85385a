"""What was added a moment ago."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.services.whales.recently import Recently


@given(st.lists(st.floats(0, 15), max_size=30))
def test_what_was_added_in_the_last_ten_seconds_is_known_and_what_was_twenty_ago_is_not(waits: list[float]) -> None:
    recently, now_seconds, added = Recently(10.0, 100), 1_000.0, list[tuple[int, float]]()
    for key, wait_seconds in enumerate(waits):
        now_seconds += wait_seconds
        assert recently.add(key, now_seconds, is_held=False)
        added.append((key, now_seconds))
        for each, at_seconds in added:
            if now_seconds - at_seconds < 10:
                assert each in recently
            # Each period ends with the first that is added after it.
            if now_seconds - at_seconds > 35:
                assert each not in recently


def test_it_can_be_told_to_forget() -> None:
    recently = Recently(10.0, 100)
    recently.add(1, 5.0, is_held=False)
    recently.clear()
    assert 1 not in recently


def test_while_it_is_held_nothing_is_forgotten_and_afterwards_all_in_its_time() -> None:
    recently = Recently(10.0, 100)
    recently.add(0, 0.0, is_held=False)
    for key in range(1, 9):
        assert recently.add(key, 100.0 * key, is_held=True)
    assert all(key in recently for key in range(9))
    recently.add(9, 900.0, is_held=False)
    assert all(key in recently for key in range(10))
    recently.add(10, 910.0, is_held=False)
    assert [key in recently for key in (0, 8, 9, 10)] == [False, False, True, True]


def test_when_too_many_are_held_it_says_so_and_forgets_them() -> None:
    recently = Recently(10.0, 3)
    assert [recently.add(key, 1.0, is_held=True) for key in range(5)] == [True, True, True, False, True]
    assert [key in recently for key in range(5)] == [False, False, False, True, True]


def test_without_being_held_there_may_be_more() -> None:
    recently = Recently(10.0, 3)
    assert all(recently.add(key, 1.0, is_held=False) for key in range(5))
    assert all(key in recently for key in range(5))

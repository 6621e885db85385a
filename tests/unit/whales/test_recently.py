"""What was added a moment ago."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.services.whales.recently import Recently


@given(st.lists(st.floats(0, 15), max_size=30))
def test_what_was_added_in_the_last_ten_seconds_is_known_and_what_was_twenty_ago_is_not(waits: list[float]) -> None:
    recently, now_seconds, added = Recently(10.0), 1_000.0, list[tuple[int, float]]()
    for key, wait_seconds in enumerate(waits):
        now_seconds += wait_seconds
        recently.add(key, now_seconds)
        added.append((key, now_seconds))
        for each, at_seconds in added:
            if now_seconds - at_seconds < 10:
                assert each in recently
            # Each period ends with the first that is added after it.
            if now_seconds - at_seconds > 35:
                assert each not in recently


def test_it_can_be_told_to_forget() -> None:
    recently = Recently(10.0)
    recently.add(1, 5.0)
    recently.clear()
    assert 1 not in recently

"""What snapshots showed no longer."""

from __future__ import annotations

from app.services.whales.swept import Swept


def test_what_one_snapshot_lacked_is_known_until_the_turn_after_the_next() -> None:
    swept = Swept(10)
    swept.add([1])
    swept.add([2])
    swept.turn()
    swept.add([3])
    assert all(key in swept for key in (1, 2, 3))
    swept.turn()
    assert [key in swept for key in (1, 2, 3)] == [False, False, True]


def test_of_too_many_the_oldest_are_forgotten_and_of_one_snapshot_none() -> None:
    swept = Swept(2)
    for first in (0, 10, 20):
        swept.add(range(first, first + 5))
    assert not any(key in swept for key in range(5))
    assert all(key in swept for key in (*range(10, 15), *range(20, 25)))

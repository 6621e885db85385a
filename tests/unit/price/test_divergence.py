"""A divergence begins and ends once, however the difference wavers."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.price.divergence import DivergenceRule

RULE = DivergenceRule(5.0)


def states(*differences: float) -> list[bool]:
    steps = accumulate(differences, lambda before, each: RULE.holds(each, before=before), initial=False)
    return list(steps)[1:]


def test_it_begins_at_the_threshold_on_either_side() -> None:
    assert states(4.99) == states(-4.99) == [False]
    assert states(5.0) == states(-5.0) == [True]


def test_it_ends_below_eight_tenths_of_it_and_not_before() -> None:
    assert states(5.1, 4.9, 4.01, 5.2, 4.0) == [True] * 5
    assert states(5.1, 3.99, 4.9) == [True, False, False]


def test_from_far_above_to_far_below_is_the_same_divergence() -> None:
    assert states(6.0, -6.0) == [True, True]


@pytest.mark.parametrize("hover", [4.0, 4.9999, 5.0])
def test_a_difference_that_hovers_at_a_bound_changes_nothing(hover: float) -> None:
    assert len(set(states(*[5.5, hover] * 20))) == 1


@given(st.lists(st.floats(-10, 10)))
def test_between_two_beginnings_it_was_always_below_the_lower_bound(differences: list[float]) -> None:
    holding = states(*differences)
    changes = [number for number, (a, b) in enumerate(pairwise([False, *holding])) if a != b]
    for begin, end in pairwise(changes):
        if holding[begin]:
            assert abs(differences[begin]) >= 5.0
            assert abs(differences[end]) < 4.0

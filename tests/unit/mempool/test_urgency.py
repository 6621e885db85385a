"""Urgency is the share of the mempool that somebody outbids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.mempool.urgency import urgency_level, urgency_score
from app.domain.mempool.waiting import Waiting

mempools = st.lists(st.tuples(st.floats(0, 1e4), st.integers(60, 100_000)), max_size=40)


def score(mempool: list[tuple[float, int]], feerate: float) -> float:
    waiting = Waiting()
    for key, (paid, vsize_vb) in enumerate(mempool, 1):
        waiting.price(key, paid, vsize_vb)
    return urgency_score(waiting.ahead(feerate), waiting.histogram.total_vb)


def test_in_an_empty_mempool_anybody_is_first() -> None:
    assert score([], 0.0) == 1.0


def test_those_who_pay_the_same_count_half() -> None:
    assert score([(1.0, 100), (5.0, 200), (9.0, 100)], 5.0) == 0.5
    assert score([(1.0, 300), (5.0, 100)], 3.0) == 0.75


@given(mempools, st.floats(0, 1e4), st.floats(0, 1e4))
def test_paying_more_never_lowers_it(mempool: list[tuple[float, int]], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= score(mempool, low) <= score(mempool, high) <= 1


@given(mempools, st.floats(0, 1e4))
def test_the_order_in_which_they_came_does_not_matter(mempool: list[tuple[float, int]], feerate: float) -> None:
    assert score(mempool, feerate) == score(mempool[::-1], feerate)


@pytest.mark.parametrize(
    ("urgency", "level"),
    [
        (1.0, "critical"),
        (0.9, "critical"),
        (0.89, "high"),
        (0.7, "high"),
        (0.69, "medium"),
        (0.4, "medium"),
        (0, "low"),
    ],
)
def test_levels_begin_where_the_contract_says(urgency: float, level: str) -> None:
    assert urgency_level(urgency) == level

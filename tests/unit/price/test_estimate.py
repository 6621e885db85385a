"""The steps of the estimate against a slow, obvious model, and at their edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.price.centre import central_price_usd
from app.domain.price.estimate import estimate_price
from app.domain.price.histogram import EDGES_BTC, amount_shares, sum_in_order
from app.domain.price.not_enough_data import NotEnoughDataError
from app.domain.price.points import ROUND_BTC, price_points_usd
from app.domain.price.rough_price import rough_price_usd
from app.domain.price.stencils import SPIKES
from tests.fakes import slow_estimate

usual_sat = st.integers(1_001, 999_999_999)
dollars = st.sampled_from([5.0, 10, 15, 20, 25, 30, 40, 50, 100, 150, 200, 300, 500, 1000])


@st.composite
def payments_btc(draw: st.DrawFn) -> list[float]:
    """Amounts of which many are a round number of dollars at some price, others round in bitcoin or neither."""
    price = draw(st.floats(20_000, 400_000))
    round_usd = [
        round(usd / price * (1 + off) * 1e8) / 1e8
        for usd, off in draw(st.lists(st.tuples(dollars, st.floats(-0.01, 0.01)), min_size=5, max_size=40))
    ]
    other = [sat / 1e8 for sat in draw(st.lists(usual_sat, max_size=20))]
    round_btc = draw(st.lists(st.sampled_from([0.0001, 0.001, 0.01, 0.05, 0.1, 0.5, 1.0]), max_size=10))
    return draw(st.permutations(round_usd + other + round_btc))


@settings(deadline=None, max_examples=60)
@given(payments_btc())
def test_every_step_equals_the_slow_model_to_the_last_bit(amounts: list[float]) -> None:
    amounts_btc = np.array(amounts)
    shares = slow_estimate.shares(amounts)
    assert amount_shares(amounts_btc).tolist() == shares
    rough = slow_estimate.rough_price(shares)
    assert rough_price_usd(np.array(shares)) == rough
    points = slow_estimate.points(amounts, rough)
    assert price_points_usd(amounts_btc, rough).tolist() == points
    if any(rough - 0.05 * rough < point < rough + 0.05 * rough for point in points):
        assert estimate_price(amounts_btc).price == slow_estimate.central_price(points, rough)
    else:
        with pytest.raises(NotEnoughDataError):
            estimate_price(amounts_btc)


@settings(deadline=None)
@given(st.lists(st.sampled_from([10 / 3, 15 / 4.5, 3.2, 3.4, 3.3, 3.3333333333333335]), min_size=1), st.just(3.3))
def test_among_nearly_equal_points_rounding_decides_as_in_the_slow_model(points: list[float], rough: float) -> None:
    assert central_price_usd(np.array(points), rough) == slow_estimate.central_price(points, rough)


@settings(deadline=None)
@given(st.lists(st.floats(96_000, 104_000), min_size=1, max_size=60))
def test_the_central_price_is_a_point_with_the_least_summed_distance(points: list[float]) -> None:
    price = central_price_usd(np.array(points), 100_000)
    assert price in points

    def summed(centre: float) -> float:
        return sum(abs(point - centre) for point in points)

    assert summed(price) <= min(summed(point) for point in points) + 1e-6


def test_points_on_the_border_of_five_per_cent_do_not_count() -> None:
    with pytest.raises(NotEnoughDataError, match="within 5 %"):
        central_price_usd(np.array([95_000.0, 105_000.0]), 100_000)
    assert central_price_usd(np.array([95_000.0, 95_000.1, 105_000.0]), 100_000) == 95_000.1


def test_edges_are_exact_at_whole_decades() -> None:
    assert len(EDGES_BTC) == 2401
    assert [EDGES_BTC[1 + 200 * decade] for decade in range(12)] == [float(f"1e{power}") for power in range(-6, 6)]


def test_an_amount_on_an_edge_belongs_to_the_bin_that_begins_there() -> None:
    # 0.02 BTC is the bin 861, which is round in bitcoin and gets the mean of its neighbours; 862 begins higher.
    above = float(EDGES_BTC[862])
    shares = amount_shares(np.array([above] * 4 + [float(EDGES_BTC[900])] * 1_000))
    assert shares[862] == 4 / 1006
    assert shares[861] == 2 / 1006
    assert shares[900] == 0.008


def test_amounts_of_unusual_size_are_not_enough() -> None:
    with pytest.raises(NotEnoughDataError, match="between 1,000 sat and 100 BTC"):
        estimate_price(np.array([100.0, 5_000.0, 99_999.0]))
    with pytest.raises(NotEnoughDataError, match="between 1,000 sat and 100 BTC"):
        estimate_price(np.array([]))


def test_amounts_that_no_dollar_explains_are_not_enough() -> None:
    # Above the reach of every slide: no score is positive, and the two prices are mixed evenly.
    amounts = np.full(10, 9.5)
    assert rough_price_usd(amount_shares(amounts)) == slow_estimate.rough_price(slow_estimate.shares([9.5] * 10))
    with pytest.raises(NotEnoughDataError, match="within 5 %"):
        estimate_price(amounts)


def test_round_amounts_of_bitcoin_are_made_as_published() -> None:
    assert len(ROUND_BTC) == 366
    assert ROUND_BTC[-1] == pytest.approx(0.99)
    assert [float(each) for each in ROUND_BTC if abs(each - 0.01) < 1e-6] == [0.009999999999999995, 0.01]


@pytest.mark.parametrize("btc", [0.001, 0.0001, 0.0007, 0.005, 0.01, 0.99])
def test_a_round_amount_of_bitcoin_is_no_price_point(btc: float) -> None:
    price = round(100 / btc)
    assert price_points_usd(np.array([btc, btc * 1.00009, btc * 0.99991]), price).tolist() == []
    assert len(price_points_usd(np.array([btc * 1.0002]), price)) > 0


def test_one_amount_may_speak_for_several_dollar_figures() -> None:
    found = price_points_usd(np.array([0.000171717]), 100_000)
    assert found.tolist() == [usd / 0.000171717 for usd in (15.0, 20.0)]


def test_the_weights_of_the_spikes_add_up_as_described() -> None:
    assert np.count_nonzero(SPIKES) == 29
    assert float(sum_in_order(SPIKES)) == pytest.approx(0.08130019832498434, abs=1e-16)


def test_points_near_the_price_are_counted() -> None:
    amounts = np.array([100 / 65_000 * (1 + off / 10_000) for off in range(-300, 300)])
    estimate = estimate_price(amounts)
    points = price_points_usd(amounts, estimate.rough_price)
    low, high = estimate.price - 0.05 * estimate.price, estimate.price + 0.05 * estimate.price
    assert estimate.n_points_near == sum(low < point < high for point in points)
    assert estimate.n_points == len(points)
    assert estimate.n_outputs == 600

"""Our estimate, on payments made up without blocks: what must not move it, and what it must not believe."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from app.domain.price.amounts import WindowAmounts
from app.domain.price.log_payments import LogPayments, log_payments
from app.domain.price.round_points import round_points
from app.domain.price.round_usd import USD, WEIGHTS, payment_density
from app.domain.price.trusted_price import trusted_price
from app.domain.price.walk import steps, walk_back, walk_forward

BLOCKS = 144
PROGRAM_BTC = 0.00123457


def payments(
    usd_per_btc: float | np.ndarray, *, per_block: int = 160, share: float = 0.1, seed: int = 1, program: int = 0
) -> WindowAmounts:
    """Make payments of a day; `program` of each block are of the very same amount."""
    chance = np.random.default_rng(seed)
    path = np.broadcast_to(usd_per_btc, BLOCKS)
    blocks = []
    for usd in path:
        dollars = np.exp(chance.normal(5.3, 2.1, per_block))
        is_round = chance.random(per_block) < share
        chosen = chance.choice(USD, per_block, p=WEIGHTS) * np.exp(chance.normal(0, 0.002, per_block))
        amounts = np.rint(np.where(is_round, chosen, dollars) / usd * 1e8) / 1e8
        blocks.append(np.concatenate([amounts[amounts > 1e-5], np.full(program, PROGRAM_BTC)]))
    return WindowAmounts(np.concatenate(blocks), np.array([len(each) for each in blocks]))


@pytest.mark.parametrize("usd", [1_000, 3_333, 17_000, 60_000, 99_999.5, 640_000, 2_500_000, 9_900_000])
def test_the_price_is_found_from_a_thousand_to_ten_million(usd: float) -> None:
    found = trusted_price(payments(usd))
    assert found.objection is None
    assert found.price == pytest.approx(usd, rel=0.005)
    assert found.band_low <= usd <= found.band_high
    assert found.window_price == pytest.approx(usd, rel=0.003)
    assert found.confidence > 0.95


@pytest.mark.parametrize("usd", [250.0, 690.0, 14_200_000.0, 30_000_000.0])
def test_a_price_beyond_the_range_does_not_pass_for_one_within(usd: float) -> None:
    found = trusted_price(payments(usd, share=0.3))
    assert found.objection is not None or found.price == pytest.approx(usd, rel=0.01)


def test_the_price_is_that_of_the_end_and_not_that_of_the_day() -> None:
    path = 60_000 * np.exp(np.linspace(-0.06, 0.06, BLOCKS))
    found = trusted_price(payments(path, per_block=400))
    assert found.objection is None
    assert found.price == pytest.approx(path[-1], rel=0.006)
    assert found.window_price == pytest.approx(math.exp(np.log(path).mean()), rel=0.003)
    assert np.abs(np.log(found.path_usd / path)).max() < 0.02


def test_a_course_that_explains_less_is_not_believed_in_place_of_one_that_was_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Too few payments for any price, so that each course is refused; and the last leads nowhere.
    steady = np.full(BLOCKS, math.log(60_000))
    courses = [steady, steady + np.random.default_rng(1).uniform(-3, 3, BLOCKS)]
    monkeypatch.setattr("app.domain.price.trusted_price.coarse_prices", lambda _: iter(courses))
    found = trusted_price(payments(60_000, per_block=6, share=0.3))
    assert found.objection == "too_few_points"
    assert found.price == pytest.approx(60_000, rel=0.01)


def test_one_stretch_however_loud_does_not_move_a_price_that_all_others_agree_on() -> None:
    says = np.zeros((1, 20, 100))
    says[0, :, 10] = 20.0
    # Where no usual move leads to, and louder than all that is said against it on the way there and back.
    says[0, 7, 80] = 250.0
    moves = steps(0.0005, 0.001)

    def moved(likely: NDArray[np.float64], _stretch: int) -> NDArray[np.float64]:
        return np.array([np.convolve(each, moves, "same") for each in likely])

    path = walk_back(says, moved, walk_forward(says, moved).places)
    assert np.abs(path - 10).max() < 1


def test_the_spread_of_two_points_is_the_mean_of_both() -> None:
    log_btc = np.log(np.array([99.0, 103.0]) / 60_000)
    two = LogPayments(log_btc, np.array([0, 1]), 2, np.array([False, True]))
    found = round_points(two, np.full(2, math.log(60_000)))
    assert found.spread_percent == pytest.approx(100 * (1 / 99 + 3 / 103) / 2, rel=1e-9)


def test_a_price_that_leaps_within_an_hour_is_not_believed_however_clear_it_is() -> None:
    # Of a day of full blocks one half at a price, the other at five times that: misread, or no market.
    path = np.where(np.arange(BLOCKS) < BLOCKS // 2, 30_000.0, 150_000.0)
    found = trusted_price(payments(path, per_block=1_500, share=0.3))
    assert (found.objection, found.lock_margin, found.confidence) == ("level_uncertain", 0, 0)
    assert found.roundness > 1_000


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.0, 0.05])
def test_a_program_that_pays_one_amount_again_and_again_is_not_believed(share: float, seed: int) -> None:
    found = trusted_price(payments(60_000, share=share, seed=seed, program=2))
    assert found.objection is not None or found.price == pytest.approx(60_000, rel=0.01)
    if not share:
        assert (found.objection is not None, found.confidence) == (True, 0)


def test_of_one_amount_no_more_count_than_chance_explains() -> None:
    alike = log_payments(WindowAmounts(np.full(1_000, PROGRAM_BTC), np.array([500, 500])))
    assert len(alike.log_btc) == 1
    # Satoshis are large when a bitcoin is dear: thousands of people pay the same few amounts.
    dear = np.random.default_rng(1).integers(1_500, 1_600, 20_000) / 1e8
    assert len(log_payments(WindowAmounts(dear, np.array([20_000]))).log_btc) > 18_000


def test_payments_stay_in_their_blocks() -> None:
    amounts = payments(60_000, per_block=50, seed=4)
    found = log_payments(amounts)
    assert found.n_blocks == BLOCKS
    assert np.all(np.diff(np.rint(np.exp(found.log_btc) * 1e8)) >= -1)
    per_block = np.bincount(found.block, minlength=BLOCKS)
    assert np.all(per_block <= amounts.per_block)
    of_block_7 = amounts.amounts_btc[amounts.per_block[:7].sum() : amounts.per_block[:8].sum()]
    kept = np.exp(found.log_btc[found.block == 7])
    assert all(np.isclose(of_block_7, each, rtol=1e-9).any() for each in kept)


def test_payments_of_the_same_satoshi_are_in_the_same_half() -> None:
    # A bitcoin so dear that many amounts come more than once by chance.
    found = log_payments(payments(5_000_000))
    values_sat = np.rint(np.exp(found.log_btc) * 1e8)
    assert len(set(values_sat)) < 0.9 * len(values_sat)
    assert not set(values_sat[found.odd]) & set(values_sat[~found.odd])
    assert 0.48 < found.odd.mean() < 0.52


def test_more_than_2_to_the_16_blocks_stay_apart() -> None:
    per_block = np.zeros(70_000, np.int64)
    per_block[-1] = 1
    found = WindowAmounts(np.array([1.0]), per_block).rising
    assert (found.values_sat.tolist(), found.block.tolist()) == ([100_000_000], [69_999])


@pytest.mark.parametrize("seed", range(12))
def test_amounts_that_come_in_pairs_are_no_price(seed: int) -> None:
    # As two equal outputs of one transaction do; none of them is a number of dollars.
    chance = np.random.default_rng(seed)
    blocks = [np.repeat(np.exp(chance.normal(-6, 1.7, 40)), 2) for _ in range(BLOCKS)]
    assert trusted_price(WindowAmounts(np.concatenate(blocks), np.full(BLOCKS, 80))).objection


def test_the_same_payments_give_the_same_price_to_the_last_bit() -> None:
    assert trusted_price(payments(60_000)) == trusted_price(payments(60_000))


def test_round_payments_are_a_density() -> None:
    offsets = np.linspace(-0.2, 0.2, 40_001)
    for blur in (0.0, 0.004):
        assert payment_density(offsets, blur).sum() * (offsets[1] - offsets[0]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("n_blocks", [1, 2, 7, 500])
def test_windows_of_any_length_have_a_price(n_blocks: int) -> None:
    day = payments(60_000, per_block=1_000)
    amounts = WindowAmounts(
        day.amounts_btc, np.bincount(np.arange(len(day.amounts_btc)) * n_blocks // len(day.amounts_btc))
    )
    found = trusted_price(amounts)
    assert found.objection is None
    assert found.price == pytest.approx(60_000, rel=0.01)

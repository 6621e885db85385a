"""The estimate on 200 small chains from the whole range of prices, volatilities and signals."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import numpy as np
import pytest

from app.domain.price.amounts import WindowAmounts
from app.domain.price.not_enough_data import NotEnoughDataError
from app.domain.price.trusted_price import MIN_POINTS, TrustedPrice, trusted_price
from tests.calibration import movement, report
from tests.calibration.chains import sample
from tests.calibration.outcome import Outcome
from tests.calibration.run import outcomes
from tests.chains import Config, build
from tests.chains.amounts import window_amounts

CHAINS = 200


@pytest.fixture(scope="module")
def found() -> list[Outcome]:
    return outcomes(sample(CHAINS))


@pytest.fixture(scope="module")
def amounts() -> WindowAmounts:
    return window_amounts(build(Config(seed=3, txs=150, mode="recent")))


@pytest.fixture(scope="module")
def many_amounts() -> WindowAmounts:
    return window_amounts(build(Config(seed=3, txs=1_000, mode="recent")))


@pytest.fixture(scope="module")
def many_without_dollars() -> WindowAmounts:
    return window_amounts(build(Config(seed=1, usd_share=0, txs=1_000, mode="recent", price=30_000)))


@pytest.mark.timeout(900)
def test_no_price_that_is_off_by_a_factor_is_valid(found: list[Outcome]) -> None:
    assert [each for each in found if each.valid and each.is_off_by_a_factor] == []


def test_nine_in_ten_true_prices_lie_in_the_band(found: list[Outcome]) -> None:
    valid = [each for each in found if each.valid]
    # Of so few chains, two standard deviations less.
    least = report.LEAST_IN_BAND * len(valid) - 2 * (0.9 * 0.1 * len(valid)) ** 0.5
    assert sum(each.in_band for each in valid) >= least


def test_it_is_no_cheap_silence(found: list[Outcome]) -> None:
    large = [each for each in found if each.is_large]
    assert len(large) > CHAINS / 2
    # They are small, of 400 transactions a block at most; the grid of `make calibrate` has large ones as well.
    assert sum(each.valid for each in large) >= 0.88 * len(large)
    truly_large = [each for each in found if each.is_truly_large]
    assert sum(each.valid for each in truly_large) >= 0.8 * len(truly_large)


def test_the_band_is_narrow(found: list[Outcome]) -> None:
    calm = sorted(each.half_band for each in found if each.valid and each.config.vol < 0.03)
    assert calm[len(calm) // 2] <= report.MOST_BAND


def test_confidence_is_how_often_the_price_is_right_to_1_percent(found: list[Outcome]) -> None:
    valid = [each for each in found if each.valid]
    said = sum(each.confidence for each in valid) / len(valid)
    assert sum(each.is_within_1_percent for each in valid) / len(valid) == pytest.approx(said, abs=0.07)


def test_where_it_is_unsure_it_says_0(found: list[Outcome]) -> None:
    assert {each.confidence for each in found if not each.valid} == {0.0}


@pytest.mark.parametrize("seed", range(10))
def test_a_chain_without_round_dollars_has_no_confidence(seed: int) -> None:
    nothing = trusted_price(window_amounts(build(Config(seed=seed, usd_share=0, txs=150, mode="recent", price=30_000))))
    assert (nothing.confidence, nothing.objection is None) == (0.0, False)


@pytest.mark.parametrize("seed", range(10))
def test_shuffled_amounts_have_no_confidence(amounts: WindowAmounts, seed: int) -> None:
    # As much is paid in all, and as often; but to nobody is anything round.
    shuffled = trusted_price(shuffled_amounts(amounts, seed))
    assert (shuffled.confidence, shuffled.objection is None) == (0.0, False)


def shuffled_amounts(amounts: WindowAmounts, seed: int) -> WindowAmounts:
    noise = np.exp(np.random.default_rng(seed).uniform(-0.5, 0.5, len(amounts.amounts_btc)))
    return WindowAmounts(amounts.amounts_btc * noise, amounts.per_block)


def test_the_same_amounts_unshuffled_have_one(amounts: WindowAmounts, many_amounts: WindowAmounts) -> None:
    assert trusted_price(amounts).confidence > 0.9
    assert trusted_price(many_amounts).confidence > 0.9


def test_many_shuffled_amounts_have_too_weak_a_signal(many_amounts: WindowAmounts) -> None:
    assert_the_signal_is_missed([trusted_price(shuffled_amounts(many_amounts, seed)) for seed in range(12)])


def test_many_payments_without_round_dollars_have_too_weak_a_signal(many_without_dollars: WindowAmounts) -> None:
    # They are no rounder at any other level, and there chance has another go.
    levels = np.exp(np.random.default_rng(1).uniform(-2, 2, 12))
    amounts, per_block = many_without_dollars.amounts_btc, many_without_dollars.per_block
    assert_the_signal_is_missed([trusted_price(WindowAmounts(amounts * level, per_block)) for level in levels])


def assert_the_signal_is_missed(found: list[TrustedPrice]) -> None:
    assert [(each.confidence, each.objection) for each in found if each.confidence or each.objection is None] == []
    # Where chance puts the price decides how many amounts lie near a round one: seldom too few, as in small chains.
    many = [each for each in found if each.point_count >= MIN_POINTS]
    assert len(many) >= len(found) / 4
    assert {each.objection for each in many} == {"weak_signal"}


@pytest.mark.parametrize("daily_move", [0.02, 0.08])
def test_the_price_is_that_of_the_newest_block_and_not_the_mean(
    monkeypatch: pytest.MonkeyPatch, daily_move: float
) -> None:
    # As `make calibrate` does it, but for six windows only, and smaller blocks.
    monkeypatch.setattr(movement, "EVERY_BLOCKS", movement.WINDOW_BLOCKS // 6)
    monkeypatch.setattr(movement, "build", lambda config: build(replace(config, txs=300)))
    found = movement.movement(daily_move)
    assert len(found.at_the_end) == 6
    assert max(found.at_the_end) < 0.004
    # Were the market as calm as that, the mean would do as well.
    assert median(found.over_the_window) > daily_move / 2
    assert median(found.at_the_end) < median(found.over_the_window) / 5


@pytest.mark.parametrize("n_blocks", [1, 2, 144])
def test_an_empty_window_is_too_little_data(n_blocks: int) -> None:
    with pytest.raises(NotEnoughDataError):
        trusted_price(WindowAmounts(np.array([]), np.zeros(n_blocks, np.int64)))


@pytest.mark.parametrize("count", [1, 2, 3, 30])
@pytest.mark.parametrize("n_blocks", [1, 3, 144])
def test_a_handful_of_payments_is_no_price(count: int, n_blocks: int) -> None:
    per_block = np.zeros(n_blocks, np.int64)
    per_block[-1] = count
    some = trusted_price(WindowAmounts(np.linspace(0.001234, 0.0456, count), per_block))
    assert (some.confidence, some.objection) == (0.0, "too_few_points")
    assert some.band_low <= some.price <= some.band_high

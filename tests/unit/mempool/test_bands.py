"""Feerates are told apart by half a per cent."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.mempool.bands import BANDS, HIGHEST_SAT_VB, LOWEST_SAT_VB, band_of, feerate_of

feerates = st.floats(0, 1e9)
usual_feerates = st.floats(LOWEST_SAT_VB, HIGHEST_SAT_VB)


@given(feerates, feerates)
def test_a_higher_feerate_is_never_in_a_lower_band(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= band_of(low) <= band_of(high) < BANDS


@given(usual_feerates)
def test_the_middle_of_a_band_is_close_to_all_that_is_in_it(feerate: float) -> None:
    assert feerate_of(band_of(feerate)) == pytest.approx(feerate, rel=0.003)


@given(usual_feerates)
def test_one_per_cent_more_is_another_feerate(feerate: float) -> None:
    assert band_of(feerate * 1.01) > band_of(feerate) or feerate * 1.01 > HIGHEST_SAT_VB


def test_nothing_is_a_feerate_of_its_own() -> None:
    assert band_of(0) == 0
    assert feerate_of(0) == 0
    assert band_of(5e-324) == band_of(LOWEST_SAT_VB) == 1


def test_what_pays_more_than_anybody_is_in_the_highest_band() -> None:
    assert band_of(math.inf) == band_of(HIGHEST_SAT_VB) == BANDS - 1


@pytest.mark.parametrize("nonsense", [-0.1, -math.inf, math.nan])
def test_a_feerate_is_a_number_and_not_negative(nonsense: float) -> None:
    with pytest.raises(ValueError, match="no feerate"):
        band_of(nonsense)

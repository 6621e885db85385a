"""How lively the generator is, and when it mines."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.node.programs.life.pace import Pace

seeds, heights = st.integers(0, 1000), st.integers(0, 1_000_000)


def test_waits_for_blocks_are_exponential_as_those_of_miners_are() -> None:
    pace = Pace(block_seconds=30, longest_wait=100)
    waits = [pace.wait_seconds(1, height) for height in range(20_000)]
    assert fmean(waits) == pytest.approx(30, rel=0.03)
    # Of an exponential distribution a share of exp(-t) is longer than t times its mean.
    for times, share in ((0.1, 0.905), (1, 0.368), (2, 0.135), (4, 0.018)):
        assert fmean(wait > times * 30 for wait in waits) == pytest.approx(share, abs=0.012)


@given(seeds, heights)
def test_a_wait_is_a_function_of_seed_and_height_and_never_too_long(seed: int, height: int) -> None:
    pace = Pace(block_seconds=10, longest_wait=3)
    wait = pace.wait_seconds(seed, height)
    assert 0 <= wait == pace.wait_seconds(seed, height) <= 30
    assert wait == 30 or wait != pace.wait_seconds(seed + 1, height)


def test_the_pace_of_the_environment() -> None:
    assert Pace.of_environment({}) == Pace()
    busy = {"LIFE_PAYMENTS": "2000", "LIFE_BLOCK_SECONDS": "10", "LIFE_LONGEST_WAIT": "3"}
    whales = {"LIFE_SHARE_WHALES": "0.05", "LIFE_WHALE_BTC": "10-40"}
    assert Pace.of_environment(busy | whales) == Pace(2000, 10, 3, share_whales=0.05, whale_btc=(10, 40))
    assert Pace.of_environment({"LIFE_WHALE_BTC": "2.5"}).whale_btc == (2.5, 2.5)
    with pytest.raises(ValueError, match="many"):
        Pace.of_environment({"LIFE_PAYMENTS": "many"})


def test_however_lively_the_present_the_blocks_of_the_history_are_not_too_heavy() -> None:
    # 2.5 times as many after a long wait, of 1,200 weight units each with all that is among them.
    assert Pace(100_000).past_payments * 2.5 * 1200 < 4_000_000
    assert Pace(20).past_payments == 20

"""Parity with the published method, to the last bit, on its own steps."""

from __future__ import annotations

import hashlib
import json
import lzma
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.domain.price.amounts import SAT_PER_BTC, window_amounts
from app.domain.price.centre import central_price_usd
from app.domain.price.estimate import estimate_price
from app.domain.price.histogram import amount_shares
from app.domain.price.points import price_points_usd
from tests.fakes.extracts import window_extracts
from tests.fakes.published import CASES, beside, chain

REAL_DAYS = ("2023-12-15", "2024-08-05", "2024-11-13", "2025-03-03")


def digest(values: NDArray[np.float64]) -> str:
    return hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()


@pytest.mark.parametrize("name", CASES)
def test_every_figure_of_a_chain_is_the_published_one(name: str) -> None:
    blocks, expected = chain(name), CASES[name]["method"]
    first, last = expected["first_height"], expected["last_height"]
    extracts = window_extracts([blocks[height] for height in range(first, last + 1)], first)
    amounts = window_amounts(extracts).amounts_btc
    assert sum(len(each.txids) for each in extracts) == expected["n_txids"]
    assert digest(amounts) == expected["raw_outputs_sha256"]
    assert digest(amount_shares(amounts)) == expected["histogram_sha256"]
    estimate = estimate_price(amounts)
    # As the appliance gives them: in another order.
    assert estimate_price(window_amounts(extracts).rising.values_sat / SAT_PER_BTC) == estimate
    assert estimate.rough_price == expected["rough_price_estimate"]
    assert digest(price_points_usd(amounts, estimate.rough_price)) == expected["points_sha256"]
    assert estimate.price == expected["central_price"]
    assert (estimate.n_outputs, estimate.n_points) == (expected["n_raw_outputs"], expected["n_points"])


@pytest.fixture(scope="module")
def real_days() -> dict[str, Any]:
    days: dict[str, Any] = json.loads(lzma.decompress(beside("data/price/real_days.json.xz").read_bytes()))
    return days


@pytest.mark.parametrize("day", REAL_DAYS)
def test_the_central_price_of_a_real_day_is_the_published_one(real_days: dict[str, Any], day: str) -> None:
    points, roughs = np.array(real_days[day]["prices"]), real_days[day]["rough_prices_exact"]
    assert roughs
    for rough in roughs:
        assert central_price_usd(points, rough) == real_days[day]["reference_central_price"]

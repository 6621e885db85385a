"""A run compares, judges, and always keeps a row; the history is a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy.exc import IntegrityError

from app.adapters.database.engine import Database, open_database
from app.adapters.database.events import DatabaseEventLog
from app.adapters.database.prices import DatabasePriceHistory
from app.domain.price.comparison import PriceComparison
from app.domain.price.divergence import DivergenceRule
from app.domain.price.estimate import PriceEstimate
from app.domain.price.not_enough_data import NotEnoughDataError
from app.domain.price.trusted_price import TrustedPrice
from app.services.block_source import NodeUnreachableError
from app.services.comparison import PriceRun, Run
from app.services.exchange_rate import HIGHEST_USD, LOWEST_USD, Quote, RateUnavailableError
from app.services.judgement import Limits
from app.services.onchain_price import OnchainPrice
from app.services.rate_survey import RateSurvey, Source
from app.services.storage import StorageError

NOW = datetime(2026, 11, 24, 12, 34, 56, tzinfo=UTC)
SLOT = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
LIMITS = Limits(1_000, 10_000_000, 0.3, timedelta(hours=2))
OWN = TrustedPrice(
    price=60_300.0,
    band_low=60_200.0,
    band_high=60_450.0,
    confidence=0.9,
    window_price=60_250.0,
    lock_margin=40.0,
    rival_factor=2.0,
    signal=20.0,
    roundness=300.0,
    point_count=900,
    spread_percent=1.1,
    objection=None,
    path_usd=np.array([60_300.0]),
)
PRICE = OnchainPrice(
    first_height=100,
    last_height=243,
    last_hash="ab" * 32,
    n_blocks=144,
    n_outputs=5_000,
    own=OWN,
    published=PriceEstimate(60_310.5, 60_300, 5_000, 3_000, 900),
    block_source="bitcoind-rest",
)


class Rate:
    def __init__(self, quote: Quote | Exception) -> None:
        self._quote = quote

    def quote(self) -> Quote:
        if isinstance(self._quote, Exception):
            raise self._quote
        return self._quote


FRESH = Rate(Quote(60_000.0, NOW - timedelta(minutes=50)))


def run(
    database: Database,
    price: OnchainPrice | Exception = PRICE,
    rate: Rate | None = FRESH,
    now: datetime = NOW,
    limits: Limits = LIMITS,
) -> Run:
    def estimate() -> OnchainPrice:
        if isinstance(price, Exception):
            raise price
        return price

    rates = None if rate is None else RateSurvey([Source("mempool", rate)], lambda: now)
    return PriceRun(estimate, rates, DatabasePriceHistory(database, lambda: None), limits, lambda: now).run()


def test_a_good_run_keeps_a_valid_row_in_its_slot_and_tells_the_log(database: Database) -> None:
    done = run(database)
    kept = DatabasePriceHistory(database, lambda: None).newest()
    assert kept == done.comparison
    assert (kept.timestamp, kept.is_valid, kept.invalid_reason, kept.confidence) == (SLOT, True, None, 0.9)
    assert (kept.band_low, kept.band_high, kept.window_price, kept.published_price) == (
        60_200,
        60_450,
        60_250,
        60_310.5,
    )
    assert (kept.lock_margin, kept.signal, kept.point_count, kept.spread_percent) == (40, 20, 900, 1.1)
    assert (kept.difference, kept.difference_percent) == (300.0, 0.5)
    assert (kept.block_height, kept.block_hash, kept.block_count, kept.output_count) == (243, "ab" * 32, 144, 5_000)
    event = DatabaseEventLog(database).after(0, 10)[-1]
    assert (event.id, event.type, event.payload["utxoracle_price"]) == (done.event_id, "price_update", 60_300.0)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"objection": "too_few_points"}, "too_few_points"),
        ({"objection": "level_uncertain"}, "level_uncertain"),
        ({"confidence": 0.29}, "low_confidence"),
        ({"price": 999.99}, "below_min_price"),
        ({"price": 10_000_000.01}, "above_max_price"),
    ],
)
def test_an_estimate_that_is_no_price_is_kept_with_its_reason(
    database: Database, changed: dict[str, Any], reason: str
) -> None:
    done = run(database, replace(PRICE, own=replace(OWN, **changed)))
    assert done.comparison.confidence == 0
    assert (done.comparison.is_valid, done.comparison.invalid_reason, done.failure) == (False, reason, None)
    assert done.comparison.utxoracle_price is not None


def test_a_jump_is_not_believed_until_a_day_has_passed_without_a_price(database: Database) -> None:
    def at(moment: datetime, usd: float) -> PriceComparison:
        return run(database, replace(PRICE, own=replace(OWN, price=usd)), now=moment).comparison

    assert at(NOW, 60_000.0).change_percent is None
    soon = at(NOW + timedelta(minutes=10), 78_100.0)
    assert (soon.is_valid, soon.invalid_reason, soon.confidence) == (False, "discontinuous", 0)
    assert soon.change_percent == pytest.approx(30.17, abs=0.01)
    assert at(NOW + timedelta(minutes=20), 77_900.0).is_valid
    assert not at(NOW + timedelta(days=1, minutes=10), 50_000.0).is_valid
    late = at(NOW + timedelta(days=1, minutes=30), 50_000.0)
    assert (late.is_valid, late.change_percent) == (True, None)


def test_a_node_that_is_away_leaves_a_row_with_the_rate_and_fails_the_run(database: Database) -> None:
    done = run(database, NodeUnreachableError("nobody answers"))
    assert (done.comparison.invalid_reason, done.failure) == ("node_unreachable", "nobody answers")
    assert (done.comparison.utxoracle_price, done.comparison.exchange_price) == (None, 60_000.0)
    assert DatabasePriceHistory(database, lambda: None).newest() == done.comparison


def test_too_little_data_is_an_answer_and_no_failure(database: Database) -> None:
    done = run(database, NotEnoughDataError("the chain is too short"))
    assert (done.comparison.invalid_reason, done.failure) == ("not_enough_data", None)


@pytest.mark.parametrize(
    "rate",
    [
        None,
        Rate(RateUnavailableError("nobody quotes")),
        Rate(Quote(60_000.0, NOW - timedelta(hours=2, seconds=1))),
        Rate(Quote(60_000.0, NOW + timedelta(hours=2, seconds=1))),
    ],
    ids=["comparison off", "none", "stale", "from the future"],
)
def test_without_a_fresh_rate_the_price_stands_alone(database: Database, rate: Rate | None) -> None:
    kept = run(database, rate=rate).comparison
    assert (kept.is_valid, kept.exchange_price, kept.exchange_time, kept.difference) == (True, None, None, None)
    assert kept.exchange_sources is kept.exchange_outliers is kept.exchange_ratios is None


def test_a_row_names_the_sources_of_its_rate_and_what_was_left_out_of_it(database: Database) -> None:
    earlier = NOW - timedelta(minutes=50)
    rates = RateSurvey(
        [
            Source("mempool", Rate(Quote(60_000.0, earlier, {"EUR": 0.92}))),
            Source("near", Rate(Quote(60_100.0, NOW))),
            Source("far", Rate(Quote(70_000.0, NOW))),
        ],
        lambda: NOW,
    )
    PriceRun(lambda: PRICE, rates, DatabasePriceHistory(database, lambda: None), LIMITS, lambda: NOW).run()
    kept = DatabasePriceHistory(database, lambda: None).newest()
    assert kept is not None
    assert (kept.exchange_price, kept.exchange_time) == (60_050.0, earlier)
    assert kept.exchange_sources == {"mempool": 60_000.0, "near": 60_100.0}
    assert kept.exchange_outliers == {"far": 70_000.0}
    assert kept.exchange_ratios == {"EUR": 0.92}


@pytest.mark.parametrize(
    ("estimate", "rate"),
    [(KeyError("a mistake"), FRESH), (PRICE, Rate(KeyError("a mistake")))],
    ids=["estimate", "rate"],
)
def test_a_mistake_of_ours_leaves_a_row_that_says_so_and_is_not_hidden(
    database: Database, estimate: OnchainPrice | Exception, rate: Rate
) -> None:
    with pytest.raises(KeyError, match="a mistake"):
        run(database, estimate, rate)
    kept = DatabasePriceHistory(database, lambda: None).newest()
    assert kept is not None
    assert (kept.timestamp, kept.is_valid, kept.invalid_reason) == (SLOT, False, "internal_error")
    assert DatabaseEventLog(database).after(0, 10)[-1].payload["invalid_reason"] == "internal_error"


def test_an_estimate_that_the_table_refuses_leaves_a_row_nevertheless(database: Database) -> None:
    with pytest.raises(IntegrityError):
        run(database, replace(PRICE, last_height=-1))
    kept = DatabasePriceHistory(database, lambda: None).newest()
    assert kept is not None
    assert kept.invalid_reason == "internal_error"


def test_a_mistake_of_ours_is_told_also_when_no_row_can_be_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyError) as mistake:
        run(open_database(f"sqlite:///{tmp_path / 'absent' / 'prices.db'}"), KeyError("a mistake"))
    assert "Nor was a row kept: the directory" in mistake.value.__notes__[0]


@pytest.mark.parametrize(
    "usd", [-1, 0, 0.99, 1e-308, 1e9 + 1, 1e15, float("inf"), float("nan"), True, "60000", None], ids=repr
)
def test_what_no_bitcoin_can_cost_is_no_quote(usd: Any) -> None:  # noqa: ANN401 - anything a backend may send
    with pytest.raises(RateUnavailableError, match="is not plausible"):
        Quote(usd, NOW)


@pytest.mark.parametrize("usd", [LOWEST_USD, HIGHEST_USD])
def test_the_most_extreme_quote_that_the_settings_can_allow_can_be_kept(database: Database, usd: float) -> None:
    price = replace(PRICE, own=replace(OWN, price=LIMITS.max_price_usd))
    widest = replace(LIMITS, min_price_usd=0.01, max_price_usd=1e9)
    kept = run(database, price, Rate(Quote(usd, NOW)), limits=widest).comparison
    assert (kept.is_valid, kept.exchange_price) == (True, usd)


@pytest.mark.parametrize("usd", [LOWEST_USD, 12.0, 999.99, 10_000_000.01, HIGHEST_USD])
def test_a_rate_that_the_settings_do_not_allow_is_missing_and_raises_no_divergence(
    database: Database, usd: float
) -> None:
    history = DatabasePriceHistory(database, lambda: None, DivergenceRule(3.0))
    rates = RateSurvey([Source("mempool", Rate(Quote(usd, NOW)))], lambda: NOW)
    kept = PriceRun(lambda: PRICE, rates, history, LIMITS, lambda: NOW).run().comparison
    assert (kept.is_valid, kept.exchange_price, kept.exchange_sources, kept.difference) == (True, None, None, None)
    assert [event.type for event in DatabaseEventLog(database).after(0, 10)] == ["price_update"]


def test_a_failed_second_run_of_a_slot_does_not_take_the_price_away(database: Database) -> None:
    good = run(database).comparison
    assert run(database, NodeUnreachableError("nobody answers")).event_id == 0
    assert DatabasePriceHistory(database, lambda: None).newest() == good


def test_a_clock_set_back_rewrites_its_slot_and_adds_no_second_row(database: Database) -> None:
    run(database)
    run(database, replace(PRICE, own=replace(OWN, price=60_500.0)), now=NOW - timedelta(minutes=4))
    rows = DatabasePriceHistory(database, lambda: None).between(SLOT - timedelta(days=1), SLOT + timedelta(days=1))
    assert [row.utxoracle_price for row in rows] == [60_500.0]


def test_a_database_that_is_away_is_the_callers_to_know(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        run(open_database(f"sqlite:///{tmp_path / 'absent' / 'prices.db'}"))

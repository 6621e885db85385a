"""One rate from several: who agrees, who is left out, and what nobody says."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.exchange_rate import Quote, RateUnavailableError
from app.services.judgement import Limits
from app.services.rate_survey import OUTLIER_PERCENT, RateSurvey, Source, SurveyedRate

NOW = datetime(2026, 11, 24, 12, 34, 56, tzinfo=UTC)
LIMITS = Limits(1_000, 10_000_000, 0.3, timedelta(hours=2))


class Says:
    """A source that answers with what `answer` returns or raises."""

    def __init__(self, answer: Callable[[], Quote]) -> None:
        self._answer = answer

    def quote(self) -> Quote:
        return self._answer()


def quoting(usd: float, age: timedelta = timedelta(0), ratios: dict[str, float] | None = None) -> Says:
    return Says(lambda: Quote(usd, NOW - age, ratios or {}))


def failing(error: Exception) -> Says:
    def answer() -> Quote:
        raise error

    return Says(answer)


def survey(**sources: Says) -> SurveyedRate | None:
    named = [Source(name, source) for name, source in sources.items()]
    return RateSurvey(named, lambda: NOW).take(LIMITS)


def test_one_source_is_the_rate() -> None:
    found = survey(mempool=quoting(60_000.0, timedelta(minutes=40), {"EUR": 0.92}))
    assert found == SurveyedRate(60_000.0, NOW - timedelta(minutes=40), {"mempool": 60_000.0}, {}, {"EUR": 0.92})


def test_of_three_the_one_that_is_far_away_is_named_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    found = survey(mempool=quoting(60_000.0), near=quoting(60_300.0), far=quoting(66_000.0))
    assert found is not None
    assert (found.usd, found.sources) == (60_150.0, {"mempool": 60_000.0, "near": 60_300.0})
    assert found.outliers == {"far": 66_000.0}
    (record,) = caplog.records
    assert (record.message, vars(record)["outliers"]) == ("exchange rates disagree", {"far": 66_000.0})


def test_the_nodes_own_source_is_left_out_as_well_when_the_others_agree_against_it() -> None:
    found = survey(mempool=quoting(80_000.0, ratios={"EUR": 0.5}), one=quoting(60_000.0), other=quoting(60_100.0))
    assert found is not None
    assert (found.usd, found.outliers, found.ratios) == (60_050.0, {"mempool": 80_000.0}, {})


@pytest.mark.parametrize(("first", "second"), [(60_000.0, 70_000.0), (70_000.0, 60_000.0)])
def test_of_two_that_disagree_the_first_is_believed(first: float, second: float) -> None:
    found = survey(mempool=quoting(first), other=quoting(second))
    assert found is not None
    assert (found.usd, found.outliers) == (first, {"other": second})


def test_of_two_pairs_that_disagree_the_one_with_the_first_is_believed() -> None:
    found = survey(a=quoting(70_000.0), b=quoting(60_000.0), c=quoting(70_100.0), d=quoting(60_100.0))
    assert found is not None
    assert (found.usd, found.outliers) == (70_050.0, {"b": 60_000.0, "d": 60_100.0})


def test_the_bound_itself_still_agrees() -> None:
    found = survey(mempool=quoting(10_000.0), other=quoting(10_500.0))
    assert found is not None
    assert (found.usd, found.outliers) == (10_250.0, {})


def test_the_time_is_that_of_the_oldest_quote_that_went_into_the_rate() -> None:
    found = survey(
        mempool=quoting(60_000.0, timedelta(minutes=40)),
        near=quoting(60_100.0, timedelta(minutes=1)),
        far=quoting(90_000.0, timedelta(minutes=90)),
    )
    assert found is not None
    assert found.quoted_at == NOW - timedelta(minutes=40)


@pytest.mark.parametrize("age", [timedelta(hours=2, seconds=1), timedelta(hours=-2, seconds=-1)])
def test_what_is_stale_or_of_the_future_counts_as_missing(age: timedelta, caplog: pytest.LogCaptureFixture) -> None:
    found = survey(mempool=quoting(60_000.0, age), other=quoting(70_000.0))
    assert found is not None
    assert (found.sources, found.outliers) == ({"other": 70_000.0}, {})
    (record,) = caplog.records
    assert (record.message, vars(record)["source"]) == ("the exchange rate is too old", "mempool")
    assert survey(mempool=quoting(60_000.0, age)) is None


@pytest.mark.parametrize("usd", [12.0, 999.99, 10_000_000.01, 1e9])
def test_what_is_not_between_the_least_and_the_greatest_price_counts_as_missing_and_is_told_once(
    usd: float, caplog: pytest.LogCaptureFixture
) -> None:
    # Of two that disagree the first is believed, and a stale one has two faults.
    found = survey(mempool=quoting(usd, timedelta(hours=3)), other=quoting(60_000.0))
    assert found is not None
    assert (found.usd, found.sources, found.outliers) == (60_000.0, {"other": 60_000.0}, {})
    (record,) = caplog.records
    assert (record.levelno, record.message, vars(record)["source"]) == (logging.WARNING, "no exchange rate", "mempool")
    assert vars(record)["reason"] == f"the quote of {usd} USD is not between MIN_PRICE_USD and MAX_PRICE_USD"
    assert survey(mempool=quoting(usd)) is None


@pytest.mark.parametrize("usd", [1_000.0, 10_000_000.0])
def test_the_least_and_the_greatest_price_are_allowed_themselves(usd: float) -> None:
    found = survey(mempool=quoting(usd))
    assert found is not None
    assert found.usd == usd


def test_a_source_that_fails_costs_only_itself_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    found = survey(mempool=failing(RateUnavailableError("nobody quotes")), other=quoting(60_000.0))
    assert found is not None
    assert found.sources == {"other": 60_000.0}
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.WARNING, "no exchange rate")
    assert (vars(record)["source"], vars(record)["reason"]) == ("mempool", "nobody quotes")
    assert survey(mempool=failing(RateUnavailableError("nobody quotes"))) is None


@pytest.mark.parametrize("usd", [-1.0, 0.0, 1e15, float("nan"), float("inf")])
def test_what_no_bitcoin_can_cost_never_gets_into_the_median(usd: float) -> None:
    found = survey(mempool=quoting(60_000.0), absurd=quoting(usd))
    assert found is not None
    assert (found.usd, found.outliers) == (60_000.0, {})


def test_a_mistake_of_ours_is_not_taken_for_a_source_that_fails() -> None:
    with pytest.raises(KeyError, match="a mistake"):
        survey(mempool=quoting(60_000.0), other=failing(KeyError("a mistake")))


def test_sources_are_asked_side_by_side() -> None:
    both = threading.Barrier(2, timeout=10)

    def answer() -> Quote:
        # Passes only when both are being asked at the same time.
        both.wait()
        return Quote(60_000.0, NOW)

    found = survey(one=Says(answer), other=Says(answer))
    assert found is not None
    assert len(found.sources) == 2


rates = st.lists(st.one_of(st.floats(1e3, 1e7), st.floats(59_000, 61_000)), min_size=1, max_size=7)


@settings(deadline=None)
@given(rates)
def test_every_source_is_either_in_the_rate_or_named_and_the_rate_is_the_median_of_those_in_it(
    usds: list[float],
) -> None:
    found = survey(**{f"source{number}": quoting(usd) for number, usd in enumerate(usds)})
    assert found is not None
    assert {**found.sources, **found.outliers} == {f"source{number}": usd for number, usd in enumerate(usds)}
    assert found.usd == median(found.sources.values())


@settings(deadline=None)
@given(st.lists(st.floats(60_000, 60_000 * (1 + OUTLIER_PERCENT / 200)), min_size=2, max_size=4), st.floats(1e3, 1e7))
def test_one_that_lies_cannot_move_the_rate_out_of_what_two_or_more_others_say(honest: list[float], lie: float) -> None:
    found = survey(liar=quoting(lie), **{f"source{number}": quoting(usd) for number, usd in enumerate(honest)})
    assert found is not None
    assert min(honest) * (1 - OUTLIER_PERCENT / 100) <= found.usd <= max(honest) * (1 + OUTLIER_PERCENT / 100)

"""One run of the integration: estimate, quote, compare, keep."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from app.domain.price.comparison import PriceComparison, slot_of
from app.domain.price.not_enough_data import NotEnoughDataError
from app.services.block_source import OnchainPriceError
from app.services.judgement import judged
from app.services.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.services.judgement import Limits
    from app.services.onchain_price import OnchainPrice
    from app.services.price_history import PriceHistory
    from app.services.rate_survey import RateSurvey

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """What a run left behind; `failure` is why the node gave no estimate, None when it was heard out."""

    comparison: PriceComparison
    event_id: int
    failure: str | None


class Estimator(Protocol):
    """Returns the newest estimate; raises OnchainPriceError or NotEnoughDataError."""

    def __call__(self) -> OnchainPrice:
        """Estimate from the newest blocks."""


class PriceRun:
    """Compares the on-chain estimate with an exchange rate, and always keeps a row of what it found."""

    def __init__(
        self,
        estimate: Estimator,
        rates: RateSurvey | None,
        history: PriceHistory,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self._estimate = estimate
        self._rates = rates
        self._history = history
        self._limits = limits
        self._clock = clock

    def run(self) -> Run:
        """Do one run; errors of the database are the caller's, those of the upstreams become part of the row.

        What nobody foresaw leaves a row that says so, and is then the caller's as well.
        """
        empty = PriceComparison(timestamp=slot_of(self._clock()))
        try:
            return self._kept(*self._with_estimate(empty))
        except StorageError:
            raise
        except Exception as unforeseen:
            try:
                self._history.record(replace(empty, invalid_reason="internal_error"), self._clock())
            except StorageError as error:
                unforeseen.add_note(f"Nor was a row kept: {error}")
            raise

    def _kept(self, comparison: PriceComparison, failure: str | None) -> Run:
        rate = self._rates.take(self._limits) if self._rates is not None else None
        if rate is not None:
            comparison = replace(
                comparison,
                exchange_price=rate.usd,
                exchange_time=rate.quoted_at,
                exchange_sources=rate.sources,
                exchange_outliers=rate.outliers or None,
                exchange_ratios=rate.ratios or None,
            )
        event_id = self._history.record(comparison, self._clock())
        return Run(comparison, event_id, failure)

    def _with_estimate(self, empty: PriceComparison) -> tuple[PriceComparison, str | None]:
        try:
            price = self._estimate()
        except NotEnoughDataError as error:
            _log.warning("too little data for an estimate", extra={"reason": str(error)})
            return replace(empty, invalid_reason="not_enough_data"), None
        except OnchainPriceError as error:
            _log.error("no estimate", extra={"code": error.code, "reason": str(error)})
            return replace(empty, invalid_reason=error.code), str(error)
        return judged(empty, price, self._limits, self._history.newest_valid_before(empty.timestamp)), None

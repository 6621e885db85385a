"""One run of the integration: estimate, quote, compare, keep."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from app.domain.price.comparison import PriceComparison, slot_of
from app.domain.price.not_enough_data import NotEnoughDataError
from app.services.block_source import OnchainPriceError
from app.services.exchange_rate import RateUnavailableError
from app.services.judgement import judged
from app.services.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.services.exchange_rate import ExchangeRate, Quote
    from app.services.judgement import Limits
    from app.services.onchain_price import OnchainPrice
    from app.services.price_history import PriceHistory

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
        rate: ExchangeRate | None,
        history: PriceHistory,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self._estimate = estimate
        self._rate = rate
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
        quote = self._fresh_quote()
        if quote is not None:
            comparison = replace(comparison, exchange_price=quote.usd, exchange_time=quote.quoted_at)
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

    def _fresh_quote(self) -> Quote | None:
        if self._rate is None:
            return None
        try:
            quote = self._rate.quote()
        except RateUnavailableError as error:
            _log.warning("no exchange rate", extra={"reason": str(error)})
            return None
        # A quote from the future has a wrong clock behind it: it says nothing about its age.
        if abs(self._clock() - quote.quoted_at) > self._limits.max_quote_age:
            _log.warning("the exchange rate is too old", extra={"quoted_at": quote.quoted_at.isoformat()})
            return None
        return quote

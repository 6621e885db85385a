"""One exchange rate from several sources: asked side by side, the middle of those that agree, the others named."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from app.services.exchange_rate import RateUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from app.services.exchange_rate import ExchangeRate, Quote
    from app.services.judgement import Limits

_log = logging.getLogger(__name__)

# Exchanges differ by well under 1 %. A quote of an hour ago is seldom this far from one of now; who is further away
# quotes something else, or has stopped.
OUTLIER_PERCENT = 5.0


class Source(NamedTuple):
    """A source of rates, and the name under which rows and log know it."""

    name: str
    rate: ExchangeRate


@dataclass(frozen=True, slots=True)
class SurveyedRate:
    """What the sources say together; rates are USD per BTC.

    Attributes:
        usd: The median of `sources`.
        quoted_at: When the oldest of them was quoted: the rate is no older than that.
        sources: Rates by name of those that went into it.
        outliers: Rates by name of those that were left out.
        ratios: Units of other currencies by code that cost a dollar; of the first of `sources` that knows any.
    """

    usd: float
    quoted_at: datetime
    sources: Mapping[str, float]
    outliers: Mapping[str, float]
    ratios: Mapping[str, float]


class _Answer(NamedTuple):
    name: str
    quote: Quote


class RateSurvey:
    """Asks `sources`, of which the first is trusted most."""

    def __init__(self, sources: Sequence[Source], clock: Callable[[], datetime]) -> None:
        self._sources = sources
        self._clock = clock

    def take(self, limits: Limits) -> SurveyedRate | None:
        """Return the rate of now, from quotes that satisfy `limits`; None, with the reasons in the log, without any.

        It takes as long as the slowest source; each of them bounds that itself.
        """
        answers = [answer for answer in self._answers() if _is_price(answer, limits) and self._is_fresh(answer, limits)]
        if not answers:
            return None
        agreeing, outliers = _sorted_out(answers)
        if outliers:
            _log.warning("exchange rates disagree", extra={"sources": _rates(agreeing), "outliers": _rates(outliers)})
        return SurveyedRate(
            usd=median(answer.quote.usd for answer in agreeing),
            quoted_at=min(answer.quote.quoted_at for answer in agreeing),
            sources=_rates(agreeing),
            outliers=_rates(outliers),
            ratios=next((answer.quote.ratios for answer in agreeing if answer.quote.ratios), {}),
        )

    def _answers(self) -> list[_Answer]:
        with ThreadPoolExecutor(len(self._sources)) as threads:
            asked = [(source.name, threads.submit(source.rate.quote)) for source in self._sources]
        return [answer for name, future in asked if (answer := _answer(name, future)) is not None]

    def _is_fresh(self, answer: _Answer, limits: Limits) -> bool:
        # A quote from the future has a wrong clock behind it: it says nothing about its age.
        if abs(self._clock() - answer.quote.quoted_at) <= limits.max_quote_age:
            return True
        _log.warning(
            "the exchange rate is too old",
            extra={"source": answer.name, "quoted_at": answer.quote.quoted_at.isoformat()},
        )
        return False


def _answer(name: str, future: Future[Quote]) -> _Answer | None:
    try:
        return _Answer(name, future.result())
    except RateUnavailableError as error:
        _log.warning("no exchange rate", extra={"source": name, "reason": str(error)})
        return None


def _is_price(answer: _Answer, limits: Limits) -> bool:
    # As an only source it would be compared with, and as one of two it might be the one that is believed.
    if limits.allow(answer.quote.usd):
        return True
    reason = f"the quote of {answer.quote.usd} USD is not between MIN_PRICE_USD and MAX_PRICE_USD"
    _log.warning("no exchange rate", extra={"source": answer.name, "reason": reason})
    return False


def _sorted_out(answers: Sequence[_Answer]) -> tuple[list[_Answer], list[_Answer]]:
    """Return those that agree with the middle one, and the others; both in the order of `answers`.

    Where two are in the middle it is the one that comes first, so that of two that disagree the more trusted stays.
    With more than half in agreement, the middle one is among these.
    """
    by_rate = sorted(answers, key=lambda answer: answer.quote.usd)
    middle = min(by_rate[(len(answers) - 1) // 2], by_rate[len(answers) // 2], key=answers.index)
    bound = middle.quote.usd * OUTLIER_PERCENT / 100
    agreeing = [answer for answer in answers if abs(answer.quote.usd - middle.quote.usd) <= bound]
    return agreeing, [answer for answer in answers if answer not in agreeing]


def _rates(answers: Sequence[_Answer]) -> dict[str, float]:
    return {answer.name: answer.quote.usd for answer in answers}

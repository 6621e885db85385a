"""The mempool backend's exchange rate."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import msgspec
import requests

from app.adapters.bounded_http import Answer, BoundedHttp, Bounds, NoAnswerError
from app.adapters.strange_json import NoJsonError, json_of
from app.adapters.time_limit import TimeLimitError, within
from app.services.exchange_rate import Quote, RateUnavailableError

# Prices in a score of currencies are under 1 KB.
_BOUNDS = Bounds(connect_seconds=2, answer_seconds=5, max_bytes=65_536)
_PATIENCE_SECONDS = 10

_CODE = re.compile("[A-Z]{3}")
# A dollar buys between a third of a Kuwaiti dinar and a million Iranian rials; beyond this nothing is a currency.
_LOWEST_RATIO, _HIGHEST_RATIO = 1e-3, 1e8
# Of whole units of money at a price of five digits no more is known.
_RATIO_DIGITS = 6


# One odd currency must not cost the dollar its rate.
_ByCode = dict[str, msgspec.Raw]


class _Prices(msgspec.Struct):
    """The part of `/api/v1/prices` that must be there; the backend says -1 and 0 for what it does not know."""

    time: int
    usd: float = msgspec.field(name="USD")


class MempoolExchangeRate:
    """Rates from `/api/v1/prices` of a mempool backend: means of exchanges, refreshed about hourly."""

    def __init__(self, base_url: str, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._url = f"{base_url}/api/v1/prices"
        self._patience_seconds = patience_seconds

    def quote(self) -> Quote:
        """Return the backend's quote; raise RateUnavailableError when it has none or cannot be asked."""
        prices, by_code = self._prices()
        if prices.time <= 0 or prices.usd == -1:
            raise RateUnavailableError("the mempool backend has no exchange rate yet")
        try:
            quoted_at = datetime.fromtimestamp(prices.time, UTC)
        except (OverflowError, ValueError, OSError):
            raise RateUnavailableError(f"the mempool backend's quote has the impossible time {prices.time}") from None
        return replace(Quote(prices.usd, quoted_at), ratios=_ratios(by_code, prices.usd))

    def _prices(self) -> tuple[_Prices, _ByCode]:
        answer = self._answer()
        if answer.status != requests.codes.ok:
            raise RateUnavailableError(f"{self._url} answered {answer.status}")
        try:
            return json_of(answer.body, _Prices), json_of(answer.body, _ByCode)
        except NoJsonError as error:
            raise RateUnavailableError(f"{self._url} did not answer with prices: {error}") from error

    def _answer(self) -> Answer:
        try:
            with BoundedHttp(_BOUNDS) as http:
                return within(self._patience_seconds, partial(http.ask, self._url))
        except (NoAnswerError, TimeLimitError) as error:
            raise RateUnavailableError(f"{self._url} {error}") from error


def _ratios(by_code: _ByCode, usd: float) -> dict[str, float]:
    """Return units of other currencies by code that cost a dollar; what makes no sense is left out."""
    amounts = {code: _amount(raw) for code, raw in by_code.items() if _CODE.fullmatch(code) and code != "USD"}
    return {
        code: float(f"{amount / usd:.{_RATIO_DIGITS}g}")
        for code, amount in amounts.items()
        if _LOWEST_RATIO <= amount / usd <= _HIGHEST_RATIO
    }


def _amount(raw: msgspec.Raw) -> float:
    try:
        return msgspec.json.decode(raw, type=float)
    except msgspec.MsgspecError:
        return 0.0

"""The mempool backend's exchange rate."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import msgspec
import requests

from app.adapters.bounded_http import Answer, BoundedHttp, Bounds, NoAnswerError
from app.adapters.time_limit import TimeLimitError, within
from app.services.exchange_rate import Quote, RateUnavailableError

# Prices in a score of currencies are under 1 KB.
_BOUNDS = Bounds(connect_seconds=2, answer_seconds=5, max_bytes=65_536)
_PATIENCE_SECONDS = 10


class _Prices(msgspec.Struct):
    """The part of `/api/v1/prices` that we use; the backend says -1 and 0 for what it does not know."""

    time: int
    usd: float = msgspec.field(name="USD")


class MempoolExchangeRate:
    """Rates from `/api/v1/prices` of a mempool backend: a mean of exchanges, refreshed about hourly."""

    def __init__(self, base_url: str, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._url = f"{base_url}/api/v1/prices"
        self._patience_seconds = patience_seconds

    def quote(self) -> Quote:
        """Return the backend's quote; raise RateUnavailableError when it has none or cannot be asked."""
        prices = self._prices()
        if prices.time <= 0 or prices.usd == -1:
            raise RateUnavailableError("the mempool backend has no exchange rate yet")
        try:
            quoted_at = datetime.fromtimestamp(prices.time, UTC)
        except (OverflowError, ValueError, OSError):
            raise RateUnavailableError(f"the mempool backend's quote has the impossible time {prices.time}") from None
        return Quote(prices.usd, quoted_at)

    def _prices(self) -> _Prices:
        answer = self._answer()
        if answer.status != requests.codes.ok:
            raise RateUnavailableError(f"{self._url} answered {answer.status}")
        try:
            return msgspec.json.decode(answer.body, type=_Prices)
        except msgspec.MsgspecError as error:
            raise RateUnavailableError(f"{self._url} did not answer with prices: {error}") from error

    def _answer(self) -> Answer:
        try:
            with BoundedHttp(_BOUNDS) as http:
                return within(self._patience_seconds, partial(http.ask, self._url))
        except (NoAnswerError, TimeLimitError) as error:
            raise RateUnavailableError(f"{self._url} {error}") from error

"""The mempool backend's exchange rate."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import msgspec
import requests

from app.services.exchange_rate import Quote, RateUnavailableError

_TIMEOUT_SECONDS = (2, 5)


class _Prices(msgspec.Struct):
    """The part of `/api/v1/prices` that we use; the backend says -1 and 0 for what it does not know."""

    time: int
    usd: float = msgspec.field(name="USD")


class MempoolExchangeRate:
    """Rates from `/api/v1/prices` of a mempool backend: a mean of exchanges, refreshed about hourly."""

    def __init__(self, base_url: str, session: requests.Session | None = None) -> None:
        self._url = f"{base_url}/api/v1/prices"
        self._session = session or requests.Session()

    def quote(self) -> Quote:
        """Return the backend's quote; raise RateUnavailableError when it has none or cannot be asked."""
        prices = self._prices()
        if prices.time <= 0 or prices.usd == -1:
            raise RateUnavailableError("the mempool backend has no exchange rate yet")
        if not math.isfinite(prices.usd) or prices.usd <= 0:
            raise RateUnavailableError(f"the mempool backend quotes {prices.usd} USD")
        try:
            quoted_at = datetime.fromtimestamp(prices.time, UTC)
        except (OverflowError, ValueError, OSError):
            raise RateUnavailableError(f"the mempool backend's quote has the impossible time {prices.time}") from None
        return Quote(prices.usd, quoted_at)

    def _prices(self) -> _Prices:
        try:
            answer = self._session.get(self._url, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            raise RateUnavailableError(f"{self._url} cannot be reached ({type(error).__name__})") from error
        if answer.status_code != requests.codes.ok:
            raise RateUnavailableError(f"{self._url} answered {answer.status_code}")
        try:
            return msgspec.json.decode(answer.content, type=_Prices)
        except msgspec.MsgspecError as error:
            raise RateUnavailableError(f"{self._url} did not answer with prices: {error}") from error

"""Exchange rates of the past, from the mempool backend's own history."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import requests

from app.adapters.bounded_http import BoundedHttp, Bounds, NoAnswerError
from app.adapters.time_limit import TimeLimitError, within
from app.services.exchange_rate import Quote, RateUnavailableError

if TYPE_CHECKING:
    from app.adapters.bounded_http import Answer

_log = logging.getLogger(__name__)

# One price is under 1 KB; a backend that ignores `currency` gives a score of them.
_BOUNDS = Bounds(connect_seconds=2, answer_seconds=5, max_bytes=65_536)
_PATIENCE_SECONDS = 10
_HOUR = timedelta(hours=1)


class _Price(msgspec.Struct):
    time: int
    usd: float = msgspec.field(name="USD")


class _History(msgspec.Struct):
    """The part of `/api/v1/historical-price` that we use: the newest price up to a time, or none."""

    prices: list[_Price]


class MempoolRateHistory:
    """Rates from `/api/v1/historical-price` of a mempool backend, which has it with a database and indexing only.

    The backend keeps a price an hour of late, and one a day or a week of earlier years. A rate counts here by the same
    bound as in a live run, PRICE_MAX_AGE_SECONDS: with an older one the difference would show how the market moved.
    Where the history is coarser most rows therefore have no rate.

    Once it cannot be asked it is not asked again: a backfill of thousands of rows would wait for each of them.
    """

    def __init__(self, base_url: str, max_age: timedelta, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._url = f"{base_url}/api/v1/historical-price"
        self._max_age = max_age
        self._patience_seconds = patience_seconds
        self._given_up = False
        # The last answer, and until when it is known to be the newest.
        self._known: tuple[_Price, datetime] | None = None

    def rate_at(self, moment: datetime) -> Quote | None:
        """Return the newest quote that was there at `moment`; None when there is none within the bound."""
        price = self._price_at(moment)
        if price is None or moment.timestamp() - price.time > self._max_age.total_seconds():
            return None
        try:
            return Quote(price.usd, datetime.fromtimestamp(price.time, UTC))
        except RateUnavailableError:
            # -1 and 0 are what the backend says for what it does not know.
            return None

    def _price_at(self, moment: datetime) -> _Price | None:
        if self._known is not None and self._known[0].time <= moment.timestamp() <= self._known[1].timestamp():
            return self._known[0]
        # Newest of the whole hour first: with a price an hour that is the answer for all of its slots.
        end_of_hour = moment.replace(minute=0, second=0, microsecond=0) + _HOUR - timedelta(seconds=1)
        price = self._asked(end_of_hour)
        if price is not None and price.time > moment.timestamp():
            price = self._asked(moment)
        return price if price is not None and 0 < price.time <= moment.timestamp() else None

    def _asked(self, moment: datetime) -> _Price | None:
        if self._given_up:
            return None
        try:
            prices = self._answered(int(moment.timestamp()))
        except RateUnavailableError as error:
            self._given_up = True
            _log.warning("no history of exchange rates; rows get none", extra={"reason": str(error)})
            return None
        if not prices:
            return None
        self._known = prices[0], moment
        return prices[0]

    def _answered(self, seconds: int) -> list[_Price]:
        url = f"{self._url}?currency=USD&timestamp={seconds}"
        answer = self._answer(url)
        if answer.status == requests.codes.not_found:
            raise RateUnavailableError(f"{self._url} is not there: that mempool has no database, or no indexing")
        if answer.status != requests.codes.ok:
            raise RateUnavailableError(f"{url} answered {answer.status}")
        try:
            return msgspec.json.decode(answer.body, type=_History).prices
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise RateUnavailableError(f"{url} did not answer with prices: {error}") from error

    def _answer(self, url: str) -> Answer:
        try:
            with BoundedHttp(_BOUNDS) as http:
                return within(self._patience_seconds, partial(http.ask, url))
        except (NoAnswerError, TimeLimitError) as error:
            raise RateUnavailableError(f"{self._url} {error}") from error

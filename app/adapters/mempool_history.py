"""Exchange rates of the past, from the mempool backend's own history."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import msgspec
import requests

from app.adapters.bounded_http import BoundedHttp, Bounds, NoAnswerError
from app.adapters.strange_json import NoJsonError, json_of
from app.adapters.time_limit import TimeLimitError, within
from app.services.exchange_rate import Quote, RateUnavailableError
from app.services.source_breaker import Delays

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.adapters.bounded_http import Answer

_log = logging.getLogger(__name__)

# One price is under 1 KB; a backend that ignores `currency` gives a score of them.
_BOUNDS = Bounds(connect_seconds=2, answer_seconds=5, max_bytes=65_536)
_PATIENCE_SECONDS = 10
_HOUR = timedelta(hours=1)

# A backend that restarts is back within minutes; rows of a second or so are all that one bad answer costs.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 10 * 60.0
# A pause is at least so many times what the failure took: one that hangs slows a backfill by a tenth at the most.
_PAUSE_TO_WAIT = 9


class _NotServedError(RateUnavailableError):
    """There is no history at this address, and will be none."""


class _Price(msgspec.Struct):
    # Beyond that no moment is; -1 is what the backend says for what it does not know.
    time: Annotated[int, msgspec.Meta(ge=-1, lt=2**36)]
    usd: float = msgspec.field(name="USD")


class _History(msgspec.Struct):
    """The part of `/api/v1/historical-price` that we use: the newest price up to a time, or none."""

    prices: list[_Price]


class MempoolRateHistory:
    """Rates from `/api/v1/historical-price` of a mempool backend, which has it with a database and indexing only.

    The backend keeps a price an hour of late, and one a day or a week of earlier years. A rate counts here by the same
    bound as in a live run, PRICE_MAX_AGE_SECONDS: with an older one the difference would show how the market moved.
    Where the history is coarser most rows therefore have no rate.

    Where it is not served it is not asked again. After any other failure it is left alone, for longer with each in a
    row: a backfill of thousands of rows would wait for each of them. Rows of that time get no rate.

    Args:
        base_url: Address of the backend.
        max_age: Of a quote, at the moment for which it is wanted.
        patience_seconds: For one answer.
        clock: Seconds, from any start.
    """

    def __init__(
        self,
        base_url: str,
        max_age: timedelta,
        patience_seconds: float = _PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = f"{base_url}/api/v1/historical-price"
        self._max_age = max_age
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._is_served = True
        self._failures = 0
        self._not_before = clock()
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
        asked_at = self._clock()
        if not self._is_served or asked_at < self._not_before:
            return None
        try:
            prices = self._answered(int(moment.timestamp()))
        except _NotServedError as error:
            self._is_served = False
            _log.warning("no history of exchange rates; rows get none", extra={"reason": str(error)})
            return None
        except RateUnavailableError as error:
            self._leave_alone(self._clock() - asked_at, error)
            return None
        self._failures = 0
        if not prices:
            return None
        self._known = prices[0], moment
        return prices[0]

    def _leave_alone(self, took_seconds: float, error: RateUnavailableError) -> None:
        if not self._failures:
            about = {"reason": str(error)}
            _log.warning("no history of exchange rates for now; rows get none until it answers", extra=about)
        self._failures += 1
        first_seconds = max(_FIRST_PAUSE_SECONDS, _PAUSE_TO_WAIT * took_seconds)
        pause_seconds = Delays(first_seconds, _LONGEST_PAUSE_SECONDS).after(self._failures)
        self._not_before = self._clock() + pause_seconds

    def _answered(self, seconds: int) -> list[_Price]:
        url = f"{self._url}?currency=USD&timestamp={seconds}"
        answer = self._answer(url)
        if answer.status == requests.codes.not_found:
            raise _NotServedError(f"{self._url} is not there: that mempool has no database, or no indexing")
        if answer.status != requests.codes.ok:
            raise RateUnavailableError(f"{url} answered {answer.status}")
        try:
            return json_of(answer.body, _History).prices
        except NoJsonError as error:
            raise RateUnavailableError(f"{url} did not answer with prices: {error}") from error

    def _answer(self, url: str) -> Answer:
        try:
            with BoundedHttp(_BOUNDS) as http:
                return within(self._patience_seconds, partial(http.ask, url))
        except (NoAnswerError, TimeLimitError) as error:
            raise RateUnavailableError(f"{self._url} {error}") from error

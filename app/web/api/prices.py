"""`/api/prices`: the newest row, rows of a timeframe, and what they differ from the exchange."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from datetime import UTC, timedelta
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec
from flask import Blueprint, Response, request
from werkzeug.http import is_resource_modified

from app.services.price_view import PriceView, Timeframe
from app.web.answer_cache import AnswerCache
from app.web.api.price_answers import (
    MAX_BY_DAY,
    MAX_DAYS,
    MAX_YEARS_BY_DAY,
    Comparison,
    ComparisonQuery,
    ComparisonTimeframe,
    History,
    HistoryQuery,
    LatestPrice,
    PriceRow,
    row_fields,
)
from app.web.api.price_encoding import Wanted, encoded
from app.web.compression import Compressed, as_response, compressed, takes_gzip
from app.web.operation import JSON, Operation, operation
from app.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

# Above it an answer takes seconds of a small node, and tens of megabytes while it is made.
_LONG = timedelta(days=31)


def prices_blueprint(prices: PriceView) -> Blueprint:
    """Serve `prices` under `/api/prices`."""
    routes = Blueprint("prices", __name__, url_prefix="/api/prices")
    answers = PriceAnswers(prices)

    @routes.get("/latest")
    @operation(Operation(summary="The newest row, valid or not", answers={200: LatestPrice}, problems=(404,)))
    def latest() -> LatestPrice:
        newest = prices.latest()
        if newest is None:
            raise ProblemError(404, "NO_DATA", "There is no price yet; a run every 10 minutes brings them.")
        age_seconds = newest.age.total_seconds()
        last_valid = None if newest.comparison.is_valid else prices.last_valid()
        return LatestPrice(
            **row_fields(newest.comparison),
            age_seconds=age_seconds,
            stale=newest.is_stale,
            last_valid=None if last_valid is None else PriceRow(**row_fields(last_valid)),
        )

    @routes.get("/historical")
    @operation(
        Operation(summary="Rows of a timeframe, oldest first", query=HistoryQuery, answers={200: History, 304: None})
    )
    def historical(query: HistoryQuery) -> Response:
        return answers.history(Wanted(_timeframe(query, prices), query.bucket, *_columns(query)))

    @routes.get("/comparison")
    @operation(
        Operation(summary="How estimate and rate differ", query=ComparisonQuery, answers={200: Comparison, 304: None})
    )
    def comparison(query: ComparisonQuery) -> Response:
        return answers.comparison(query.days)

    return routes


class PriceAnswers:
    """Answers that are kept until the table changes; clients keep them too, and ask whether it did."""

    def __init__(self, prices: PriceView) -> None:
        self._prices = prices
        self._cache = AnswerCache()
        self._long_turn = threading.Lock()

    def history(self, wanted: Wanted) -> Response:
        """Return the rows that are wanted."""
        return self._answer(wanted, partial(self._history, wanted))

    def comparison(self, days: int) -> Response:
        """Return how the rows of so many days differ from the exchange."""
        frame = self._prices.last_days(days)
        return self._answer(frame, partial(self._comparison, frame, days))

    def _answer(self, about: Wanted | Timeframe, make: Callable[[], Compressed]) -> Response:
        # Asked before the rows are read: they may be newer than it says, and never older.
        key = (self._prices.version(), about)
        tag = _tag(key)
        if is_resource_modified(request.environ, tag):
            response = as_response(self._cache.get(key, make), JSON)
        else:
            response = Response(status=304)
        response.set_etag(tag)
        response.cache_control.private = response.cache_control.no_cache = True
        response.vary.add("Accept-Encoding")
        return response

    def _history(self, wanted: Wanted) -> Compressed:
        pages = self._prices.pages(wanted.names, wanted.frame, wanted.bucket)
        with self._long_turn if wanted.frame.end - wanted.frame.start > _LONG else nullcontext():
            return compressed(encoded(wanted, pages))

    def _comparison(self, frame: Timeframe, days: int) -> Compressed:
        found = self._prices.differences(frame)
        answer = Comparison(
            ComparisonTimeframe(frame.start.isoformat(), frame.end.isoformat(), days),
            *(found.mean, found.median, found.min, found.max),
            *(found.count, found.valid_count, found.compared_count),
        )
        return compressed([msgspec.json.encode(answer)])


def _tag(key: Hashable) -> str:
    digest = blake2b(repr(key).encode(), digest_size=16).hexdigest()
    return f"{digest}-gzip" if takes_gzip() else digest


def _timeframe(query: HistoryQuery, prices: PriceView) -> Timeframe:
    if query.start is None and query.end is None:
        return prices.last_days(query.days or 1)
    if query.start is None or query.end is None or query.days is not None:
        raise ProblemError(400, "BAD_QUERY", "Give either `days`, or both `from` and `to`.")
    if query.start >= query.end:
        raise ProblemError(400, "BAD_QUERY", "`from` must be before `to`.")
    if query.end - query.start > (MAX_BY_DAY if query.bucket == "day" else timedelta(days=MAX_DAYS + 1)):
        raise ProblemError(
            400, "BAD_QUERY", f"At most {MAX_DAYS} days at a time, or {MAX_YEARS_BY_DAY} years with `bucket=day`."
        )
    try:
        return Timeframe(query.start.astimezone(UTC), query.end.astimezone(UTC))
    except OverflowError:
        raise ProblemError(400, "BAD_QUERY", "`from` and `to` must be within the years 1 to 9999 of UTC.") from None


def _columns(query: HistoryQuery) -> tuple[tuple[str, ...], bool]:
    """Return the names of the columns, and whether the answer has a list for each."""
    known = PriceRow.__struct_fields__
    if query.columns is None or query.columns == "all":
        return known, query.columns is not None
    names = tuple(dict.fromkeys(query.columns.split(",")))
    if not set(names) <= set(known):
        raise ProblemError(400, "BAD_QUERY", f"Columns are {', '.join(known)}; or say `all`.")
    return names, True

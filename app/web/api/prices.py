"""`/api/prices`: the newest row, rows of a timeframe, and what they differ from the exchange."""

from __future__ import annotations

import gzip
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec
from flask import Blueprint, Response, request

from app.services.price_view import PriceView, Timeframe
from app.web.api.price_answers import (
    MAX_DAYS,
    Comparison,
    ComparisonQuery,
    ComparisonTimeframe,
    Frame,
    History,
    HistoryQuery,
    LatestPrice,
    PriceRow,
    field_of,
    row_fields,
)
from app.web.operation import JSON, Operation, operation
from app.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.price.comparison import PriceComparison

_GZIP_FROM_BYTES = 1000
_GZIP_LEVEL = 4


def prices_blueprint(prices: PriceView) -> Blueprint:
    """Serve `prices` under `/api/prices`."""
    routes = Blueprint("prices", __name__, url_prefix="/api/prices")

    @routes.get("/latest")
    @operation(Operation(summary="The newest row, valid or not", answers={200: LatestPrice}, problems=(404,)))
    def latest() -> LatestPrice:
        newest = prices.latest()
        if newest is None:
            raise ProblemError(404, "NO_DATA", "There is no price yet; a run every 10 minutes brings them.")
        age_seconds = newest.age.total_seconds()
        return LatestPrice(**row_fields(newest.comparison), age_seconds=age_seconds, stale=newest.is_stale)

    @routes.get("/historical")
    @operation(
        Operation(summary="Rows of a timeframe, oldest first", query=HistoryQuery, answers={200: History, 304: None})
    )
    def historical(query: HistoryQuery) -> Response:
        frame = _timeframe(query, prices)
        return _cacheable(_history(query, frame, prices.rows(frame, query.bucket)))

    @routes.get("/comparison")
    @operation(Operation(summary="How estimate and rate differ", query=ComparisonQuery, answers={200: Comparison}))
    def comparison(query: ComparisonQuery) -> Comparison:
        frame = prices.last_days(query.days)
        found = prices.differences(frame)
        return Comparison(
            ComparisonTimeframe(frame.start.isoformat(), frame.end.isoformat(), query.days),
            *(found.mean, found.median, found.min, found.max),
            *(found.count, found.valid_count, found.compared_count),
        )

    return routes


def _timeframe(query: HistoryQuery, prices: PriceView) -> Timeframe:
    if query.start is None and query.end is None:
        return prices.last_days(query.days or 1)
    if query.start is None or query.end is None or query.days is not None:
        raise ProblemError(400, "BAD_QUERY", "Give either `days`, or both `from` and `to`.")
    if query.start >= query.end:
        raise ProblemError(400, "BAD_QUERY", "`from` must be before `to`.")
    if query.end - query.start > timedelta(days=MAX_DAYS + 1):
        raise ProblemError(400, "BAD_QUERY", f"At most {MAX_DAYS} days at a time; ask again for the others.")
    return Timeframe(query.start, query.end)


def _history(query: HistoryQuery, frame: Timeframe, rows: Sequence[PriceComparison]) -> History:
    answer = History(Frame(frame.start.isoformat(), frame.end.isoformat()), query.bucket, len(rows))
    if query.columns is None:
        answer.items = [PriceRow(**row_fields(row)) for row in rows]
        return answer
    known = PriceRow.__struct_fields__
    names = known if query.columns == "all" else tuple(dict.fromkeys(query.columns.split(",")))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ProblemError(400, "BAD_QUERY", f"Columns are {', '.join(known)}; or say `all`.")
    answer.columns = {name: [field_of(row, name) for row in rows] for name in names}
    return answer


def _cacheable(answer: History) -> Response:
    """Return JSON that a client keeps and asks about again; compressed if it may be."""
    body = msgspec.json.encode(answer)
    response = Response(body, content_type=JSON, headers={"Cache-Control": "private, no-cache"})
    tag = blake2b(body, digest_size=16).hexdigest()
    response.vary.add("Accept-Encoding")
    if len(body) >= _GZIP_FROM_BYTES and request.accept_encodings["gzip"] > 0:
        response.set_data(gzip.compress(body, _GZIP_LEVEL, mtime=0))
        response.content_encoding = "gzip"
        tag += "-gzip"
    response.set_etag(tag)
    conditional = response.make_conditional(request)
    assert isinstance(conditional, Response)  # noqa: S101 - narrows the type; it returns what it is called on
    return conditional

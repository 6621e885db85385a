"""Errors as `application/problem+json`: a code for programs, a sentence for people, nothing of our insides."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Annotated

import msgspec
from flask import Response, g, request
from gunicorn.http.errors import ParseException
from msgspec import Meta
from werkzeug.exceptions import HTTPException

from app.services.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

_log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
_DATABASE_RETRY_SECONDS = 5

# What HTTP's own errors are called here, and said in our words: a library's may repeat what it was given.
_KNOWN = {
    400: ("BAD_REQUEST", "Bad request", "The request cannot be understood."),
    404: ("NOT_FOUND", "Not found", "There is nothing at this address; /api/openapi.json lists what there is."),
    405: ("METHOD_NOT_ALLOWED", "Method not allowed", "This address does not take this method; see Allow."),
    413: ("TOO_LARGE", "Too large", "The body of the request is too large."),
    414: ("URI_TOO_LONG", "URI too long", "The address asked for is too long."),
    415: ("UNSUPPORTED_MEDIA_TYPE", "Unsupported media type", "Send the body as application/json."),
    417: ("EXPECTATION_FAILED", "Expectation failed", "What the header Expect asks for is not done here."),
    429: ("RATE_LIMITED", "Too many requests", "Too many requests from this address; see Retry-After."),
    431: (
        "HEADERS_TOO_LARGE",
        "Request header fields too large",
        "The headers of the request are too many or too long.",
    ),
    501: ("NOT_IMPLEMENTED", "Not implemented", "The body came in an encoding that is not understood here."),
    503: ("UNAVAILABLE", "Unavailable", "This cannot be answered at present; try again later."),
}
_INTERNAL_STATUS = 500
_INTERNAL = ("INTERNAL", "Internal error", "Something failed here; the log has it under this request_id.")


class Problem(msgspec.Struct):
    """What went wrong, after RFC 9457."""

    status: Annotated[int, Meta(ge=400, le=599)]
    code: Annotated[str, Meta(description="A word for programs.", pattern="^[A-Z_]+$")]
    title: str
    detail: Annotated[str, Meta(description="A sentence for people.")]
    request_id: Annotated[str, Meta(description="As in the header X-Request-ID and in the log.")]
    type: str = "about:blank"


class ProblemError(Exception):
    """Ends a request with a problem.

    Args:
        status: HTTP status.
        code: A word for programs.
        detail: A sentence for people: what is wrong and what to do.
        headers: Further headers of the answer.
    """

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})


def answer_problems(app: Flask) -> None:
    """Make every error of `app` a problem."""
    app.register_error_handler(ProblemError, _own)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(StorageError, _storage)
    app.register_error_handler(ParseException, _unparsed)
    app.register_error_handler(Exception, _unforeseen)


def problem_response(error: ProblemError, title: str = "") -> Response:
    """Return `error` as an answer."""
    known_title = _KNOWN.get(error.status, ("", error.code.replace("_", " ").capitalize(), ""))[1]
    problem = Problem(error.status, error.code, title or known_title, error.detail, g.get("request_id", ""))
    answer = Response(msgspec.json.encode(problem), error.status, content_type=CONTENT_TYPE)
    answer.headers.update(error.headers)
    return answer


def problem_before_the_application(status: int) -> bytes:
    """Return a whole answer of HTTP, for a request of which the application hears nothing."""
    code, title, detail = _KNOWN.get(status, _INTERNAL)
    problem = Problem(status, code, title, detail, uuid.uuid4().hex)
    body = msgspec.json.encode(problem)
    head = (
        f"HTTP/1.1 {status} {title}\r\nConnection: close\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nX-Request-ID: {problem.request_id}\r\n\r\n"
    )
    return head.encode("ascii") + body


def _own(error: ProblemError) -> Response:
    return problem_response(error)


def _http(error: HTTPException) -> Response:
    # Flask itself answers an error without a code, as it does redirects.
    status = error.code or _INTERNAL_STATUS
    code, title, detail = _KNOWN.get(status, ("HTTP_ERROR", error.name, "The request cannot be answered."))
    headers = {name: value for name, value in error.get_headers() if name not in {"Content-Type", "Content-Length"}}
    return problem_response(ProblemError(status, code, detail, headers), title)


def _unparsed(_error: ParseException) -> Response:
    """Answer a body whose chunks make no sense: the server reads them when the view asks."""
    code, title, detail = _KNOWN[400]
    return problem_response(ProblemError(400, code, detail, {"Connection": "close"}), title)


def _storage(error: StorageError) -> Response:
    _log.error("the database failed a request", extra={"error": str(error), **_where()})
    return problem_response(
        ProblemError(
            503,
            "DATABASE_UNAVAILABLE",
            "The database cannot be used at present; try again later.",
            {"Retry-After": str(_DATABASE_RETRY_SECONDS)},
        ),
        "Database unavailable",
    )


def _unforeseen(error: Exception) -> Response:
    _log.exception("a request failed", exc_info=error, extra=_where())
    code, title, detail = _INTERNAL
    return problem_response(ProblemError(_INTERNAL_STATUS, code, detail), title)


def _where() -> dict[str, object]:
    return {"request_id": g.get("request_id", ""), "method": request.method, "endpoint": request.endpoint}

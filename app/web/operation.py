"""What a view takes and answers, as types: they validate, they encode, and OpenAPI is generated from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from flask import Response, request

from app.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Flask

Needs = Literal["nothing", "access", "refresh"]

JSON, FORM, HTML, TEXT = "application/json", "application/x-www-form-urlencoded", "text/html", "text/plain"
_ATTRIBUTE = "utxoracle_operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the API.

    Attributes:
        summary: One line.
        needs: The token that it takes; a view without an operation needs an access token.
        query: Struct of the query parameters, which are passed to the view as `query`.
        body: Struct of the JSON body, which is passed to the view as `body`.
        also_form: Whether the body may be a form as well.
        answers: Struct of the JSON of each status; None for one without.
        media: Other content types of the answer 200.
        problems: Statuses that it may end with, besides those that every one has.
    """

    summary: str
    needs: Needs = "access"
    query: type | None = None
    body: type | None = None
    also_form: bool = False
    answers: Mapping[int, Any] = field(default_factory=dict)
    media: tuple[str, ...] = ()
    problems: tuple[int, ...] = ()


def operation(described: Operation) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a view that takes and returns Structs one that Flask can call."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def called(**arguments: object) -> Any:  # noqa: ANN401 - whatever Flask takes from a view
            if described.query is not None:
                arguments["query"] = read_query(described.query)
            if described.body is not None:
                arguments["body"] = read_body(described.body, also_form=described.also_form)
            return as_response(view(**arguments))

        setattr(called, _ATTRIBUTE, described)
        return called

    return decorate


def operation_of(app: Flask, endpoint: str) -> Operation | None:
    """Return what is known of a view."""
    return getattr(app.view_functions[endpoint], _ATTRIBUTE, None)


def as_response(answer: Any) -> Any:  # noqa: ANN401 - whatever Flask takes from a view
    """Return a Struct as JSON, with 200 or the status that comes with it; anything else as it is."""
    status = 200
    if isinstance(answer, tuple) and isinstance(answer[0], msgspec.Struct):
        answer, status = answer
    if isinstance(answer, msgspec.Struct):
        return Response(msgspec.json.encode(answer), status, content_type=JSON)
    return answer


def read_query(wanted: type) -> Any:  # noqa: ANN401 - a `wanted`
    """Return the query parameters; each at most once, none that is unknown."""
    given = {name: values[0] for name, values in request.args.lists() if len(values) == 1}
    if len(given) != len(request.args):
        raise ProblemError(400, "BAD_QUERY", "A query parameter was given more than once.")
    try:
        return msgspec.convert(given, wanted, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise ProblemError(400, "BAD_QUERY", f"The query is not right: {error}.") from error


def read_body(wanted: type, *, also_form: bool) -> Any:  # noqa: ANN401 - a `wanted`
    """Return the body of the request."""
    try:
        if request.mimetype == JSON:
            return msgspec.json.decode(request.get_data(), type=wanted)
        if also_form and request.mimetype == FORM:
            return msgspec.convert(request.form.to_dict(), wanted)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProblemError(400, "BAD_BODY", f"The body is not right: {error}.") from error
    raise ProblemError(415, "UNSUPPORTED_MEDIA_TYPE", f"Send the body as {JSON}.")

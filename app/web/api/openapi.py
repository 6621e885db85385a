"""`/api/openapi.json`: OpenAPI 3.1, generated from the types that validate and answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Blueprint, Flask, Response, current_app

from app.web.caller import ACCESS_COOKIE, CSRF_HEADER, REFRESH_COOKIE
from app.web.operation import FORM, JSON, Operation, operation, operation_of
from app.web.problems import CONTENT_TYPE, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.routing import Rule

_REFS = "#/components/schemas/{name}"
_DESCRIPTION = "What our own node's blocks say bitcoin costs, beside what exchanges say. No advice of any kind."
_STATIC = Operation(
    summary="Files of the pages", needs="nothing", answers={200: None, 304: None}, media=("*/*",), problems=(404,)
)
_REASONS = {
    200: "What was asked for.",
    303: "See the page in Location.",
    304: "What the client has is still right.",
    503: "The same, when it is not well.",
}
_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "nothing": [],
    "access": [{"bearer": []}, {"cookie": []}],
    "refresh": [{"bearer": []}, {"refreshCookie": []}],
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": ACCESS_COOKIE,
        "description": f"For the dashboard; what changes something needs {CSRF_HEADER} as well.",
    },
    "refreshCookie": {"type": "apiKey", "in": "cookie", "name": REFRESH_COOKIE},
}


def openapi_blueprint() -> Blueprint:
    """Serve the description of the application that it is part of."""
    routes = Blueprint("openapi", __name__, url_prefix="/api")

    @routes.get("/openapi.json")
    @operation(Operation(summary="This description", answers={200: None}, media=(JSON,)))
    def description() -> Response:
        return Response(msgspec.json.encode(describe(current_app)), content_type=JSON)

    return routes


def describe(app: Flask) -> dict[str, Any]:
    """Return the description of every route of `app`; raise LookupError for one that does not say what it takes."""
    operations = [
        (rule, _described(app, rule)) for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
    ]
    types = _types([described for _, described in operations])
    references, components = msgspec.json.schema_components(types, ref_template=_REFS)
    schemas = dict(zip(types, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for rule, described in operations:
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
        entry = _operation(rule, described, schemas, components)
        paths.setdefault(path, {}).update({method.lower(): entry for method in sorted(methods)})
    return {
        "openapi": "3.1.0",
        "info": {"title": "utxoracle appliance", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SCHEMES},
    }


def _described(app: Flask, rule: Rule) -> Operation:
    if rule.endpoint == "static":
        return _STATIC
    described = operation_of(app, rule.endpoint)
    if described is None:
        raise LookupError(f"{rule.rule} has no operation; decorate its view")
    return described


def _types(operations: list[Operation]) -> list[type]:
    found: dict[type, None] = {Problem: None}
    for each in operations:
        candidates = (each.query, each.body, *each.answers.values())
        found |= dict.fromkeys(candidate for candidate in candidates if candidate is not None)
    return list(found)


def _operation(
    rule: Rule, described: Operation, schemas: dict[type, dict[str, Any]], components: dict[str, Any]
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "operationId": rule.endpoint.replace(".", "_"),
        "summary": described.summary,
        "security": _SECURITY[described.needs],
        "parameters": [*_path_parameters(rule), *_query_parameters(described, components)],
        "responses": dict(_responses(described, schemas)),
    }
    if described.body is not None:
        media = (JSON, FORM) if described.also_form else (JSON,)
        content = {each: {"schema": schemas[described.body]} for each in media}
        entry["requestBody"] = {"required": True, "content": content}
    return entry


def _path_parameters(rule: Rule) -> Iterator[dict[str, Any]]:
    for name in sorted(rule.arguments):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters(described: Operation, components: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if described.query is None:
        return
    schema = components[described.query.__name__]
    for name, of_it in schema["properties"].items():
        yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": of_it}


def _responses(described: Operation, schemas: dict[type, dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for status, struct in described.answers.items():
        content: dict[str, Any] = {media: {} for media in described.media if status == 200}  # noqa: PLR2004 - HTTP
        if struct is not None:
            content[JSON] = {"schema": schemas[struct]}
        answer: dict[str, Any] = {"description": _REASONS[status]}
        yield str(status), answer | ({"content": content} if content else {})
    statuses = {*described.problems, 429, 503} - described.answers.keys()
    statuses |= set() if described.needs == "nothing" else {401}
    statuses |= set() if described.query is None else {400}
    for status in sorted(statuses):
        yield (
            str(status),
            {"description": "A problem.", "content": {CONTENT_TYPE: {"schema": schemas[Problem]}}},
        )

"""Every answer of a walk over the API is as /api/openapi.json says, and every route is in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from app.adapters.database.engine import open_database
from app.adapters.database.migration import upgrade
from tests.fakes.web_application import PASSWORD, WebApplication

WALLET_PRICES = "/api/v1/prices"
LOGIN = {"username": "watcher", "password": PASSWORD}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebApplication]:
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('contract') / 'utxoracle.db'}", create=True)
    upgrade(database)
    web = WebApplication(database)
    web.add_account()
    web.monitor.start()
    yield web
    web.monitor.stop()
    database.close()


@pytest.fixture(scope="module")
def document(web: WebApplication) -> dict[str, Any]:
    found: dict[str, Any] = web.client().get("/api/openapi.json", headers=web.bearer()).get_json()
    return found


def resolved(node: Any, document: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return `node` with its references as a validator finds them, beside the components."""
    return {"$ref": "#/node", "node": node, "components": document["components"]}


def check(document: dict[str, Any], path: str, method: str, answer: TestResponse) -> None:
    responses = document["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in responses, (path, answer.status_code, answer.get_data(as_text=True)[:200])
    content = responses[str(answer.status_code)].get("content", {})
    if answer.mimetype in content and "schema" in content[answer.mimetype]:
        validator = Draft202012Validator(
            resolved(content[answer.mimetype]["schema"], document), format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        validator.validate(json.loads(answer.get_data()))
    elif answer.get_data() and answer.status_code != 303:
        assert answer.mimetype in content or "*/*" in content, (path, answer.mimetype, content)


def test_it_is_openapi_3_1_and_its_references_lead_somewhere(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    names = re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document))
    assert set(names) <= set(document["components"]["schemas"])
    identifiers = [entry["operationId"] for path in document["paths"].values() for entry in path.values()]
    assert len(identifiers) == len(set(identifiers))


def test_every_route_is_in_it_and_nothing_else(web: WebApplication, document: dict[str, Any]) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in web.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, entry in document["paths"].items() for method in entry} == routes


def test_it_says_which_routes_are_public(document: dict[str, Any]) -> None:
    public = {path for path, entry in document["paths"].items() for each in entry.values() if each["security"] == []}
    assert public == {
        "/api/auth/login",
        "/health",
        "/health/live",
        "/health/ready",
        "/login",
        "/static/{filename}",
    }


def walk(web: WebApplication) -> Iterator[tuple[str, str, TestResponse]]:
    """Yield the answers to requests that are right, wrong, and not allowed; by path and method."""
    client, token = web.client(), web.bearer()
    prices = "/api/prices"
    yield f"{prices}/latest", "get", client.get(f"{prices}/latest", headers=token)
    for path in ("historical", "comparison"):
        yield f"{prices}/{path}", "get", client.get(f"{prices}/{path}", headers=token)
    yield WALLET_PRICES, "get", client.get(WALLET_PRICES, headers=token)
    web.keep(slots_ago=1)
    figures = {
        "band_low": 1e5,
        "band_high": 1.02e5,
        "confidence": 0.8,
        "point_count": 9,
        "exchange_ratios": {"EUR": 0.9},
    }
    web.keep(slots_ago=2, **figures)
    web.keep(utxoracle_price=None, is_valid=False, invalid_reason="not_enough_data", exchange_time=web.clock())
    yield f"{prices}/latest", "get", client.get(f"{prices}/latest", headers=token)
    ages = "?from=2009-01-03T00:00:00Z&to=2036-01-01T00:00:00Z&bucket="
    for bucket in ("day", "hour"):
        yield f"{prices}/historical", "get", client.get(f"{prices}/historical{ages}{bucket}", headers=token)
    queries = ["", "?days=365", "?bucket=hour", "?bucket=day", "?columns=all", "?columns=timestamp,is_valid", "?days=0"]
    for query in queries:
        yield f"{prices}/historical", "get", client.get(f"{prices}/historical{query}", headers=token)
    frame = "?from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z"
    known = client.get(f"{prices}/historical{frame}", headers=token)
    tag = token | {"If-None-Match": known.headers["ETag"]}
    yield f"{prices}/historical", "get", client.get(f"{prices}/historical{frame}", headers=tag)
    tag = token | {"If-None-Match": client.get(WALLET_PRICES, headers=token).headers["ETag"]}
    yield WALLET_PRICES, "get", client.get(WALLET_PRICES, headers=tag)
    for path in (
        *(f"{prices}/latest", f"{prices}/historical", f"{prices}/comparison", WALLET_PRICES),
        *("/metrics", "/api/openapi.json"),
    ):
        yield path, "get", client.get(path, headers=token)
        yield path, "get", client.get(path)
    yield "/metrics", "get", client.get("/metrics?format=json", headers=token)
    yield "/metrics", "get", client.get("/metrics?format=xml", headers=token)
    for path in ("/health", "/health/live", "/health/ready", "/login"):
        yield path, "get", client.get(path)
    yield "/health", "get", client.get("/health", headers=token)
    yield "/static/{filename}", "get", client.get("/static/appliance.css", buffered=True)
    yield "/static/{filename}", "get", client.get("/static/nothing.css")
    yield "/", "get", client.get("/")
    yield "/", "get", client.get("/", headers=token)
    yield from walk_through_a_session(web)


def walk_through_a_session(web: WebApplication) -> Iterator[tuple[str, str, TestResponse]]:
    client, auth = web.client(), "/api/auth"
    signed_in = client.post(f"{auth}/login", json=LOGIN)
    yield f"{auth}/login", "post", signed_in
    yield f"{auth}/login", "post", client.post(f"{auth}/login", json={})
    yield f"{auth}/login", "post", client.post(f"{auth}/login", data="x")
    yield f"{auth}/login", "post", client.post(f"{auth}/login", json=LOGIN | {"password": "wrong"})
    access = {"Authorization": f"Bearer {signed_in.get_json()['access_token']}"}
    refresh = {"Authorization": f"Bearer {signed_in.get_json()['refresh_token']}"}
    yield f"{auth}/stream-ticket", "post", client.post(f"{auth}/stream-ticket", headers=access)
    yield f"{auth}/refresh", "post", client.post(f"{auth}/refresh", headers=refresh)
    yield f"{auth}/logout", "post", client.post(f"{auth}/logout", headers=access)
    yield f"{auth}/refresh", "post", client.post(f"{auth}/refresh", headers=refresh)
    browser = web.client()
    yield f"{auth}/login", "post", browser.post(f"{auth}/login", data=LOGIN)
    yield f"{auth}/logout", "post", browser.post(f"{auth}/logout")
    yield f"{auth}/stream-ticket", "post", browser.post(f"{auth}/stream-ticket")
    yield f"{auth}/refresh", "post", browser.post(f"{auth}/refresh")
    yield f"{auth}/login", "post", client.post(f"{auth}/login", json=LOGIN)


def test_every_answer_is_as_it_says(web: WebApplication, document: dict[str, Any]) -> None:
    seen = set()
    for path, method, answer in walk(web):
        check(document, path, method, answer)
        seen.add((path, method, answer.status_code))
    walked = {(path, method) for path, method, _ in seen}
    assert walked == {(path, method) for path, entry in document["paths"].items() for method in entry}
    assert {200, 303, 304, 400, 401, 403, 404, 415, 429} <= {status for _, _, status in seen}


def test_without_the_database_the_answer_is_as_it_says(
    web: WebApplication, document: dict[str, Any], tmp_path: Path
) -> None:
    away = WebApplication(open_database(f"sqlite:///{tmp_path / 'nothing.db'}"))
    path = "/api/prices/latest"
    answer = away.client().get(path, headers=web.bearer())
    assert answer.status_code == 503
    check(document, path, "get", answer)


def test_the_check_notices_an_answer_that_differs(web: WebApplication, document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["LatestPrice"]
    row = web.client().get("/api/prices/latest", headers=web.bearer()).get_json()
    validator = Draft202012Validator(resolved(schema, document))
    validator.validate(row)
    assert not validator.is_valid(row | {"age_seconds": "old"})
    assert not validator.is_valid({name: value for name, value in row.items() if name != "stale"})

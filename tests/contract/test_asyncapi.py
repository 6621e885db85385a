"""docs/asyncapi.yaml is what the alert stream does: its types, codes, limits and every kind of frame that it sends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import requests
from jsonschema import Draft202012Validator
from websockets.exceptions import InvalidStatus

from app.adapters.database.prices import DatabasePriceHistory
from app.domain.price.comparison import PriceComparison, slot_of
from app.web import stream_messages
from app.web.close_codes import Close
from app.web.problems import Problem
from app.web.stream import PATHS
from app.web.stream_limits import StreamLimits
from tests.contract.asyncapi import at, check_frame, messages_of, validator
from tests.fakes.stream_client import StreamClient, connected
from tests.fakes.stream_events import every_kind
from tests.fakes.stream_service import HANDSHAKE, StreamService, running

CLIENT_TYPES = get_args(stream_messages.ClientMessage)
SERVER_TYPES = get_args(stream_messages.ServerMessage)
REFERENCES = "#/components/schemas/{name}"


def tag(message: type[msgspec.Struct]) -> str:
    return str(message.__struct_config__.tag)


def bare(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Return `schema` without what is for people only."""
    if isinstance(schema, list):
        return [bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {field: bare(of_it) for field, of_it in value.items()} if name == "properties" else bare(value)
        for name, value in schema.items()
        if name not in {"title", "description"}
    }


def test_it_is_asyncapi_3_and_its_references_lead_somewhere(document: dict[str, Any]) -> None:
    assert document["asyncapi"] == "3.0.0"
    for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)):
        assert at(document, reference)
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_message_of_the_code_is_in_it_and_nothing_else(document: dict[str, Any]) -> None:
    assert tuple(each["address"] for each in document["channels"].values()) == PATHS
    for path in PATHS:
        assert set(messages_of(document, "receive", path)) == {tag(each) for each in CLIENT_TYPES}
        sent = {tag(each) for each in SERVER_TYPES} | stream_messages.STREAMED
        assert set(messages_of(document, "send", path)) == sent


def test_its_schemas_are_those_of_the_types(document: dict[str, Any]) -> None:
    types = [*CLIENT_TYPES, *SERVER_TYPES, Problem]
    references, schemas = msgspec.json.schema_components(types, ref_template=REFERENCES)
    documented = document["components"]["schemas"]
    for name, schema in schemas.items():
        assert bare(documented[name]) == bare(schema), name
    # What remains are entries of the log, which are held against real ones below.
    of_the_log = set(documented) - set(schemas)
    assert {each for each in of_the_log if "properties" in documented[each]} == {
        messages_of(document, "send", PATHS[0])[each]["payload"]["$ref"].rpartition("/")[2]
        for each in stream_messages.STREAMED
    }
    for message, reference in zip(types[:-1], references, strict=False):
        assert document["components"]["messages"][tag(message)]["payload"] == reference


def test_its_close_codes_are_those_of_the_code(document: dict[str, Any]) -> None:
    assert {code: each["name"] for code, each in document["info"]["x-close-codes"].items()} == {
        close.value: close.name for close in Close
    }


def test_its_limits_are_those_of_the_code(document: dict[str, Any]) -> None:
    limits = {
        name: value.total_seconds() if isinstance(value, timedelta) else value
        for name, value in asdict(StreamLimits()).items()
    }
    assert document["info"]["x-limits"] == limits


def test_its_examples_are_messages_that_the_stream_takes(document: dict[str, Any]) -> None:
    for name, message in messages_of(document, "receive", PATHS[0]).items():
        assert message["examples"]
        for example in message["examples"]:
            validator(document, message["payload"]).validate(example["payload"])
            assert tag(type(stream_messages.read(json.dumps(example["payload"])))) == name


class Frames:
    """All that was received, each held against the document as it came."""

    def __init__(self, service: StreamService, document: dict[str, Any]) -> None:
        self._service = service
        self._document = document
        self.seen: list[dict[str, Any]] = []
        self.codes: set[int] = set()

    @contextmanager
    def client(self, *, joined: bool = True) -> Iterator[StreamClient]:
        with connected(self._service) as client:
            if joined:
                client.send(type="auth", token=self._service.token())
                assert self.next(client)["type"] == "welcome"
            yield client

    def next(self, client: StreamClient) -> dict[str, Any]:
        frame = client.receive()
        self._check(frame)
        return frame

    def end(self, client: StreamClient) -> None:
        frames, code = client.ending()
        for frame in frames:
            self._check(frame)
        self.codes.add(code)

    def values(self, message: str, field: str) -> set[str]:
        return {frame[field] for frame in self.seen if frame["type"] == message}

    def _check(self, frame: dict[str, Any]) -> None:
        check_frame(self._document, frame)
        self.seen.append(frame)


def subscriptions(frames: Frames, service: StreamService) -> None:
    """Subscribe in each way, and receive what comes of it."""
    history = DatabasePriceHistory(service.database, ring=lambda: None)
    now = datetime.now(UTC)
    service.append(1.0, 2.0, age=timedelta(hours=30))
    with frames.client() as client:
        client.send(type="subscribe", last_event_id=1)
        assert [frames.next(client)["type"] for _ in range(2)] == ["connection", "resync_required"]
        client.send(type="subscribe", last_event_id=10**9)
        assert [frames.next(client)["type"] for _ in range(2)] == ["connection", "resync_required"]
        client.send(type="subscribe", last_event_id=1, log_identity="another")
        assert [frames.next(client)["type"] for _ in range(2)] == ["connection", "resync_required"]
        history.record(PriceComparison(timestamp=slot_of(now), invalid_reason="not_enough_data"), now)
        assert frames.next(client)["is_valid"] is False
        figures: dict[str, Any] = {"utxoracle_price": 1e5, "exchange_price": 99_999.5, "block_height": 9}
        figures |= {"band_low": 99_600.5, "band_high": 100_400.5, "confidence": 0.8}
        history.record(PriceComparison(timestamp=slot_of(now), is_valid=True, **figures), now)
        assert frames.next(client)["is_valid"] is True
        events = every_kind()
        service.tell(*events)
        for kind, payload in events:
            assert payload.items() <= frames.next(client).items() >= {"type": kind}.items()
        client.send(type="ping")
        assert frames.next(client)["type"] == "pong"
        client.send(type="unsubscribe")
        assert frames.next(client)["status"] == "unsubscribed"


def refusals(frames: Frames, service: StreamService) -> None:
    """Be refused for each reason that there is while all is well."""
    for first in (
        {"type": "shout"},
        {"type": "auth", "token": "x"},
        {"type": "auth", "token": service.token(role="x")},
    ):
        with frames.client(joined=False) as client:
            client.send(**first)
            frames.end(client)
    with frames.client() as client:
        client.connection.send(" " * 9000)
        frames.end(client)
    with frames.client() as client:
        for _ in range(60):
            client.send(type="ping")
        frames.end(client)


def failures(frames: Frames, service: StreamService) -> None:
    """Stay while the database goes away and comes back, and while the service stops."""
    file = service.directory / "utxoracle.db"
    with frames.client() as client:
        service.database.close()
        away = file.rename(file.with_suffix(".away"))
        assert frames.next(client)["status"] == "degraded"
        with frames.client(joined=False) as late:
            late.send(type="auth", token=service.token())
            frames.end(late)
        away.rename(file)
        assert frames.next(client)["status"] == "recovered"
        service.stop()
        frames.end(client)


def test_every_kind_of_frame_that_the_stream_sends_is_as_it_says(document: dict[str, Any], tmp_path: Path) -> None:
    service = StreamService(tmp_path)
    frames = Frames(service, document)
    with running(service):
        subscriptions(frames, service)
        refusals(frames, service)
        failures(frames, service)
    schemas = document["components"]["schemas"]
    assert {frame["type"] for frame in frames.seen} == set(messages_of(document, "send", PATHS[0]))
    assert frames.values("connection", "status") == set(schemas["Connection"]["properties"]["status"]["enum"])
    assert frames.values("resync_required", "reason") == set(schemas["ResyncRequired"]["properties"]["reason"]["enum"])
    assert frames.values("error", "code") == set(schemas["Error"]["properties"]["code"]["enum"])
    # The others need a stalled, a silent or an unlucky client, as tests/web has them.
    assert frames.codes == set(document["info"]["x-close-codes"]) - {1011, 4408, 4409}


def test_every_refusal_of_a_handshake_is_as_it_says(document: dict[str, Any], tmp_path: Path) -> None:
    limits = '{"connections": 1, "own_connections": 0, "connects_per_minute": 2}'
    seen: dict[int, set[str]] = {}
    with running(StreamService(tmp_path, limits_json=limits)) as service:
        url = f"http://127.0.0.1:{service.port}"

        def ask(path: str = "/ws/whales", **headers: str) -> None:
            answer = requests.get(url + path, headers={**HANDSHAKE, **headers}, timeout=10)
            note(answer.status_code, answer.json())

        def note(status: int, problem: object) -> None:
            validator(document, {"$ref": "#/components/schemas/Problem"}).validate(problem)
            assert isinstance(problem, dict)
            seen.setdefault(status, set()).add(problem["code"])

        ask(Upgrade="h2c")
        ask(**{"Sec-WebSocket-Key": ""})
        ask(Origin="https://evil.example")
        ask("/ws/dolphins", **{"X-Forwarded-For": "192.0.2.1"})
        ask(Connection="close", **{"X-Forwarded-For": "192.0.2.2"})
        with connected(service):
            for _ in range(2):
                with pytest.raises(InvalidStatus) as refused, connected(service):
                    pass
                note(refused.value.response.status_code, json.loads(refused.value.response.body or b""))
    assert seen == {status: set(codes) for status, codes in document["info"]["x-handshake-refusals"].items()}


def test_the_check_notices_a_frame_that_differs(document: dict[str, Any]) -> None:
    price = {"$ref": "#/components/schemas/PriceUpdate"}
    assert not validator(document, price).is_valid({"type": "price_update", "event_id": 1})
    alert = {"$ref": "#/components/schemas/WhaleAlert"}
    (whale, *_) = (payload for kind, payload in every_kind() if kind == "whale_alert")
    frame = {"type": "whale_alert", "event_id": 1} | whale
    assert validator(document, alert).is_valid(frame)
    assert not validator(document, alert).is_valid(frame | {"urgency_score": 1.1})
    welcome = {"$ref": "#/components/schemas/Welcome"}
    assert not validator(document, welcome).is_valid({"type": "pong"})

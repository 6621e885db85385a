"""docs/asyncapi.yaml, and whether a frame is as it says."""

from __future__ import annotations

from typing import Any

import yaml
from jsonschema import Draft202012Validator

from app.web.stream import PATHS
from tests.fakes.stream_service import CHECKOUT


def the_document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHECKOUT / "docs" / "asyncapi.yaml").read_text("utf-8"))
    return found


def at(document: dict[str, Any], reference: str) -> Any:  # noqa: ANN401 - YAML
    """Return what a reference of the document leads to."""
    found: Any = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def messages_of(document: dict[str, Any], action: str, address: str) -> dict[str, Any]:
    """Return the messages that go one way at `address`, by their names."""
    (operation,) = (
        each
        for each in document["operations"].values()
        if each["action"] == action and at(document, each["channel"]["$ref"])["address"] == address
    )
    references = [each["$ref"] for each in operation["messages"]]
    return {each.rpartition("/")[2]: at(document, at(document, each)["$ref"]) for each in references}


def validator(document: dict[str, Any], schema: object) -> Draft202012Validator:
    return Draft202012Validator({"$ref": "#/node", "node": schema, "components": document["components"]})


def check_frame(document: dict[str, Any], frame: dict[str, Any]) -> None:
    """Fail unless `frame`, which a client was sent, is as the document says, without a field that it does not name."""
    payload = messages_of(document, "send", PATHS[0])[frame["type"]]["payload"]
    validator(document, payload).validate(frame)
    assert set(frame) <= set(at(document, payload["$ref"])["properties"]), "a field is not documented"

"""The AsyncAPI document; and the stream with a client that was there before, for the tests of docs/examples."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# What is to be copied is of no package, so it is found as those who copy it find it.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs" / "examples"))

from whale_stream import FileBookmark

from tests.contract.asyncapi import the_document
from tests.fakes.example_client import position_of
from tests.fakes.stream_service import StreamService, running


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    return the_document()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StreamService]:
    with running(StreamService(tmp_path)) as service:
        yield service


@pytest.fixture
def bookmark(service: StreamService, tmp_path: Path) -> FileBookmark:
    """After the one event that there is."""
    bookmark = FileBookmark(tmp_path / "place.json")
    bookmark.write(position_of(service))
    return bookmark

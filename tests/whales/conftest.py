"""What tests of whales on running processes share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.whales.watched import Watched, watched


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """An appliance at work, for all tests of a module one after the other."""
    with watched(tmp_path_factory.mktemp("appliance")) as running:
        yield running

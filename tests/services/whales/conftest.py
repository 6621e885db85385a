"""What most stories of the detector begin with."""

from __future__ import annotations

import pytest

from tests.fakes.whale_watch import Watch


@pytest.fixture
def watch() -> Watch:
    """A detector that listens to a node on which nothing waits."""
    watch = Watch()
    watch.start()
    watch.turns()
    return watch

"""What has been found, until it is written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.services.storage import StorageError
from app.services.whales.draft import Draft
from tests.fakes.whale_store import MemoryWhales

NOW = datetime(2026, 11, 28, tzinfo=UTC)
EVENT = ("reorg", {"height": 7})


def test_what_could_not_be_written_is_kept_and_written_once() -> None:
    draft, store = Draft(), MemoryWhales()
    draft.tell(EVENT)
    store.is_failing = True
    with pytest.raises(StorageError):
        draft.write(store, NOW)
    assert not draft.is_empty
    store.is_failing = False
    for _ in range(2):
        draft.write(store, NOW)
    assert draft.is_empty
    assert (store.events, store.writes) == ([EVENT], 1)

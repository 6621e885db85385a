"""What must be true of all that a detector has written and told, whatever happened."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.fakes.whale_store import MemoryWhales


def assert_sound(store: MemoryWhales) -> None:
    """Fail unless rows, events and predictions tell one and the same."""
    _assert_each_is_alerted_to_once(store)
    _assert_told_in_order(store)
    for prediction in store.outcomes.values():
        final = store.whales[prediction.final_txid]
        assert final.status == prediction.outcome, (prediction, final)
        assert (prediction.resolved_at is None) == (prediction.outcome == "pending")
    for whale in store.whales.values():
        assert (whale.block_hash is not None) == (whale.status in {"confirmed", "conflicted", "missed"}), whale
        assert (whale.replaced_by is not None) == (whale.status == "replaced"), whale


def _assert_each_is_alerted_to_once(store: MemoryWhales) -> None:
    counts = Counter(alert["txid"] for alert in store.told("whale_alert"))
    assert set(counts.values()) <= {1}, counts
    assert not [txid for txid in counts if store.whales[txid].status == "missed"]


def _assert_told_in_order(store: MemoryWhales) -> None:
    """Fail unless each update begins where the one before it ended, and the rows say the last of it."""
    believed: dict[str, str] = {}
    threshold = {alert["txid"] for alert in store.told("whale_alert")}
    for event_type, payload in store.events:
        if event_type == "whale_alert":
            assert payload["txid"] not in believed
            believed[payload["txid"]] = "pending"
        elif event_type == "status_update":
            _assert_follows(payload, believed, is_alerted=payload["txid"] in threshold)
            believed[payload["txid"]] = payload["status"]
    for txid, whale in store.whales.items():
        assert believed.get(txid, whale.status) == whale.status, whale
        assert txid in believed or whale.status in {"missed", "pending"}, whale


def _assert_follows(update: dict[str, Any], believed: dict[str, str], *, is_alerted: bool) -> None:
    before = believed.get(update["txid"])
    # What took the place of a whale and is none was not alerted to.
    assert before == update["previous_status"] or (before is None and not is_alerted), update
    assert (update["status"] == update["previous_status"]) == update["is_final"], update

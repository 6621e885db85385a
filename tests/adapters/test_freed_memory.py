"""Memory that was freed, given back to the machine."""

from __future__ import annotations

from pathlib import Path

from app.adapters.freed_memory import give_back_freed_memory
from app.adapters.machine import LocalMachine

_MB = 1_000_000


def used_mb() -> float:
    used_bytes = LocalMachine(Path()).process_bytes()
    assert used_bytes is not None
    return used_bytes / _MB


def test_what_a_burst_needed_is_free_for_others_afterwards() -> None:
    burst = [bytes(600) for _ in range(200_000)]
    last = bytes(600)
    full_mb = used_mb()
    burst.clear()
    give_back_freed_memory()
    assert used_mb() < full_mb - 100
    assert last == bytes(600)

"""Memory that was freed, given back to the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from app.adapters.freed_memory import give_back_freed_memory
from app.adapters.machine import LocalMachine
from tests.fakes.published import CHECKOUT

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


# The first is freed at once, from which the C library learns that such things come and go.
_LARGE_AMONG_SMALL = """
from tests.adapters.test_freed_memory import used_mb
from app.adapters.freed_memory import keep_large_memory_apart
{prepare}
large = bytearray(20_000_000)
del large
kept, blocks = [], []
for _ in range(100):
    blocks.append(b"x" * 2_000_000)
    kept.append(b"x" * 100_000)
full_mb = used_mb()
blocks.clear()
print(full_mb - used_mb())
"""


def given_back_mb(prepare: str) -> float:
    command = [sys.executable, "-c", _LARGE_AMONG_SMALL.format(prepare=prepare)]
    done = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True, timeout=60)
    return float(done.stdout)


def test_what_is_large_goes_back_at_once_though_smaller_things_were_made_beside_it() -> None:
    assert given_back_mb("") < 100
    assert given_back_mb("keep_large_memory_apart()") > 190

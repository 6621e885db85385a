"""One price in a fresh process: `python -m tests.bench.price_run ours <node> <cache directory>` or `peer <node>`.

Prints as JSON the price, the seconds that it took after the imports, and the peak memory of the process and of those
that help it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.services.block_proof import BlockProver

# Of the processes that have ended.
_helpers_peak_mb = 0.0


def ours(url: str, cache: str) -> Callable[[], float]:
    from app.adapters.bitcoind import block_source  # noqa: PLC0415 - the peer does without these
    from app.adapters.extract_files import ExtractFiles  # noqa: PLC0415
    from app.adapters.proving_processes import proving_processes  # noqa: PLC0415
    from app.services.onchain_price import estimate_recent  # noqa: PLC0415

    kept = ExtractFiles(Path(cache))

    @contextmanager
    def provers() -> Iterator[BlockProver]:
        global _helpers_peak_mb  # noqa: PLW0603 - of one process that makes one price
        with proving_processes(len(os.sched_getaffinity(0))) as prover:
            yield prover
            _helpers_peak_mb += sum(peak_mb(child) for child in _children())

    def price() -> float:
        published = estimate_recent(block_source(url), "main", kept=kept, provers=provers).published
        return published.price if published else 0.0

    return price


def peer(url: str) -> Callable[[], float]:
    from tests.bench.peer import price_of_node  # noqa: PLC0415 - ours does without it

    return lambda: price_of_node(url)


def main(whose: str, *arguments: str) -> None:
    run = ours(*arguments) if whose == "ours" else peer(*arguments)
    started = time.perf_counter()
    price = run()
    seconds = time.perf_counter() - started
    sys.stdout.write(json.dumps({"price": price, "seconds": seconds, "peak_mb": peak_mb() + _helpers_peak_mb}))


def _children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def peak_mb(process: str = "self") -> float:
    """Return the peak memory of a process: that of getrusage can be what its parent had."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])

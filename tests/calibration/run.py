"""Many chains on all cores, with progress on a terminal."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Sequence

from tests.calibration.outcome import Outcome, outcome_of
from tests.chains import Config


def outcomes(configs: Sequence[Config]) -> list[Outcome]:
    """Return what is made of each chain, in their order; small ones come first if they are given first."""
    # Each process does its own linear algebra: with more threads they would only wait for each other.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    started, found = time.monotonic(), []
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for outcome in pool.imap(outcome_of, configs):
            found.append(outcome)
            _show(len(found), len(configs), time.monotonic() - started)
    return found


def _show(done: int, total: int, seconds: float) -> None:
    if sys.stderr.isatty():
        left = seconds / done * (total - done)
        sys.stderr.write(f"\r\033[K{done} of {total} chains, {seconds:.0f} s, about {left:.0f} s left")
        sys.stderr.write("\n" if done == total else "")
        sys.stderr.flush()

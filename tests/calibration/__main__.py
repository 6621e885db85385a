"""`make calibrate`: the estimate on the whole grid of chains, and the tables of docs/METHOD.md.

python -m tests.calibration            all of it: about three quarters of an hour on two cores
python -m tests.calibration --small    without the chains of 4,000 transactions a block, which take most of that
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterable

from tests.calibration import movement, report
from tests.calibration.chains import TRANSACTIONS, grid
from tests.calibration.run import outcomes


def main(arguments: list[str]) -> int:
    """Print the tables; return 1 when a promise is not kept."""
    configs = [each for each in grid() if "--small" not in arguments or each.txs < TRANSACTIONS[-1]]
    found = outcomes(configs)
    print_lines(report.table(found))
    print_lines(report.reliability(found))
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        print_lines(movement.table(pool.map(movement.movement, movement.DAILY_MOVES)))
    failings = list(report.failings(found))
    print_lines(failings or ["every promise is kept"])
    return int(bool(failings))


def print_lines(lines: Iterable[str]) -> None:
    for each in lines:
        sys.stdout.write(f"{each}\n")
    sys.stdout.write("\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

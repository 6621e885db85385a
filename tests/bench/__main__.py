"""`make bench`: one line a measure, ours beside a peer in the same run.

python -m tests.bench                        all, in under three minutes
python -m tests.bench --txs 300 --rounds 1   a smaller chain, once: for trying things out
"""

from __future__ import annotations

import argparse
import sys

from tests.bench import price
from tests.bench.measure import HEADER
from tests.chains import Config


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--txs", type=int, default=3200, help="transactions a block, on average (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the chain (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    config = Config(seed=chosen.seed, txs=chosen.txs, mode="recent")
    line(HEADER)
    for measure in price.measures(config, chosen.rounds, progress):
        progress("")
        line(measure.line())


def line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def progress(text: str) -> None:
    """Show on a terminal what is being done at present."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1:])

"""`make bench`: one line a measure, ours beside a peer in the same run.

python -m tests.bench                        all of it; the first time, a recording is made as well
python -m tests.bench price                  one part: price, detect or stream
python -m tests.bench --tiny --rounds 1      next to nothing, once: for trying things out
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from tests.bench import detect, price, stream
from tests.bench.live_run import LiveScene
from tests.bench.measure import HEADER, Measure
from tests.bench.recorder import Scene
from tests.chains import Config

PARTS = ("price", "detect", "stream")
_ROUNDS = 3


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all without")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--tiny", action="store_true", help="do it, but so small that the figures mean nothing")
    chosen = parser.parse_args(arguments)
    unknown = sorted(set(chosen.parts).difference(PARTS))
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    line(HEADER)
    for part in chosen.parts or PARTS:
        for measure in measures(part, chosen.rounds, is_tiny=chosen.tiny):
            progress("")
            line(measure.line())


def measures(part: str, rounds: int, *, is_tiny: bool) -> Iterator[Measure]:
    """Yield the measures of a part."""
    if part == "price":
        yield from price.measures(Config(seed=1, txs=40 if is_tiny else 3200, mode="recent"), rounds, progress)
    elif part == "detect":
        yield from detect.measures(TINY_DETECT if is_tiny else detect.Size(rounds=rounds), progress)
    else:
        yield from stream.measures(TINY_STREAM if is_tiny else stream.Size(rounds=rounds), progress)


TINY_DETECT = detect.Size(
    scene=Scene(seconds=2, per_second=100, share_whales=1 / 10, waiting=50, block_after=1),
    per_second=200,
    clients=5,
    many=10,
    crowd=1000,
    crowd_whales=10,
    live=LiveScene(seconds=2, per_second=50, share_whales=1 / 5, block_every=1, clients=3),
    rounds=1,
)
TINY_STREAM = stream.Size(clients=20, many=20, alerts=3, rounds=1)


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

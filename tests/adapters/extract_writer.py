"""Keeps extracts without end, for tests that kill it: `python -m tests.adapters.extract_writer <directory>`."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from app.adapters.extract_files import ExtractFiles
from tests.fakes.blocks import Tx, block, coinbase
from tests.fakes.extracts import window_extracts


def main(directory: str) -> None:
    payments = [Tx(lock_time=each) for each in range(200)]
    extracts = window_extracts([block((coinbase(each), *payments)) for each in range(8)], 10)
    files = ExtractFiles(Path(directory), max_blocks=6)
    for number in count():
        files.put(extracts[number % len(extracts)])
        if number == 0:
            sys.stdout.write("writing\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])

"""Nodes in a process of their own, so that what they cost is not measured: `python -m tests.bench.node <config>`.

One has a whole chain, the other the same without its tip. Their addresses are printed, one a line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from tests.chains import Config, build
from tests.fakes.bitcoin_node import FakeNode
from tests.fakes.published import CHECKOUT


@dataclass(frozen=True)
class Nodes:
    """Addresses of two nodes of one chain: the one has it as it was before its newest block came."""

    before: str
    now: str


@contextmanager
def running(config: Config) -> Iterator[Nodes]:
    """Serve the chain of `config` while the context lasts."""
    command = [sys.executable, "-m", "tests.bench.node", json.dumps(asdict(config))]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            before, now = process.stdout.readline().strip(), process.stdout.readline().strip()
            if not now:
                raise RuntimeError("the nodes did not start; what they said is above")
            yield Nodes(before, now)
        finally:
            process.terminate()


def main(config: Config) -> None:
    blocks = {block.height: block.raw for block in build(config).blocks}
    tip = max(blocks)
    for served in ({height: raw for height, raw in blocks.items() if height < tip}, blocks):
        node = FakeNode(served)
        threading.Thread(target=node.serve_forever, args=(0.05,), daemon=True).start()
        sys.stdout.write(f"{node.url}\n")
    sys.stdout.flush()
    # Ends with the benchmark, however that ends.
    sys.stdin.read()


if __name__ == "__main__":
    main(Config(**json.loads(sys.argv[1])))

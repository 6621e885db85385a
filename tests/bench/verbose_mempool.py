"""The peer of a start: the whole mempool in one answer, `python -m tests.bench.verbose_mempool <url of the node>`.

It reads `getrawmempool true` by the standard library, and prints how long that took, and the largest amount of memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from urllib.request import Request, urlopen


def main(url: str) -> None:
    began = time.monotonic()
    question = {"method": "getrawmempool", "params": [True], "id": 0}
    with urlopen(Request(url, json.dumps(question).encode(), {"Content-Type": "application/json"})) as response:
        entries = json.loads(response.read())["result"]
    said = {
        "transactions": len(entries),
        "seconds": time.monotonic() - began,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])

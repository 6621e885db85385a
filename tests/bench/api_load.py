"""An API with more to do than it can: `saturated_api`, and who asks it, `python -m tests.bench.api_load`."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes.api_service import ApiService, serving
from tests.fakes.published import CHECKOUT
from tests.fakes.stream_service import StreamService

_CALLERS = 4
_PATHS = ("/health", "/api/prices/historical?days=30", "/api/prices/latest")


@contextmanager
def saturated_api(stream: StreamService) -> Iterator[None]:
    """Serve the API on the database of `stream`, with callers who ask again as soon as they are answered."""
    api = ApiService(stream, RATE_LIMIT_PER_MINUTE="100000")
    with serving(api):
        command = [sys.executable, "-m", "tests.bench.api_load", str(api.port), stream.token()]
        with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) as callers:
            try:
                assert callers.stdout is not None
                # It says so once each caller was answered.
                assert callers.stdout.readline()
                yield
            finally:
                callers.kill()


def ask_for_ever(port: int, token: str, answered: threading.Barrier) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    is_first = True
    while True:
        for path in _PATHS:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            connection.getresponse().read()
        if is_first:
            is_first = False
            answered.wait()


def main(port: str, token: str) -> None:
    answered = threading.Barrier(_CALLERS + 1)
    callers = [threading.Thread(target=ask_for_ever, args=(int(port), token, answered)) for _ in range(_CALLERS)]
    for caller in callers:
        caller.start()
    answered.wait()
    sys.stdout.write("every caller was answered\n")
    sys.stdout.flush()
    for caller in callers:
        caller.join()


if __name__ == "__main__":
    main(*sys.argv[1:])

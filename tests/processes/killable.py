"""Forks runs of the appliance's programs from a process that has imported them, and kills each when it is told to.

Reads orders from standard input, and answers each with the wait status of the run and the seconds that it took.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time

from app import cli
from app.processes import integration


def main() -> None:
    warm_up()
    for line in sys.stdin:
        order = json.loads(line)
        began = time.monotonic()
        status = ended(forked(order["program"], order["environ"]), order["seconds"])
        sys.stdout.write(json.dumps([status, time.monotonic() - began]) + "\n")
        sys.stdout.flush()


def warm_up() -> None:
    """Have everything imported that commands import when they are called."""
    for name in ("backfill", "import prices"):
        # The settings are read first, and there are none; by then modules are still missing.
        status = ended(forked([*name.split(), "--help"], {}), None)
        assert status == 0, name
    from app.adapters import estimate_workers, extract_files, extract_memory, price_file  # noqa: F401, PLC0415
    from app.adapters.database import imported_prices  # noqa: F401, PLC0415


def forked(program: list[str], environ: dict[str, str]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.environ.clear()
        os.environ.update(environ)
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 0)
        os.dup2(nowhere, 1)
        code = integration.main() if program == ["integration"] else run_command(program)
    finally:
        os._exit(code)


def run_command(arguments: list[str]) -> int:
    try:
        cli.main(arguments, prog_name="utxoracle")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def ended(child: int, seconds: float | None) -> int:
    """Return the wait status of `child`, which is killed after `seconds`."""
    descriptor = os.pidfd_open(child)
    try:
        if not select.select([descriptor], [], [], seconds)[0]:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        os.close(descriptor)
    return os.waitpid(child, 0)[1]


if __name__ == "__main__":
    main()

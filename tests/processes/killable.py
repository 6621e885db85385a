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
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from functools import partial
from itertools import count
from typing import Any

from app import cli
from app.commands import backfill
from app.processes import integration


def main() -> None:
    warm_up()
    for line in sys.stdin:
        order = json.loads(line)
        began = time.monotonic()
        status = ended(forked(order["program"], order["environ"], order["how"]), order["seconds"])
        sys.stdout.write(json.dumps([status, time.monotonic() - began]) + "\n")
        sys.stdout.flush()


def warm_up() -> None:
    """Have everything imported that commands import when they are called."""
    for name in ("backfill", "import prices"):
        # The settings are read first, and there are none; by then modules are still missing.
        status = ended(forked([*name.split(), "--help"], {}, {}), None)
        assert status == 0, name
    from app.adapters import estimate_workers, extract_files, extract_memory, price_file  # noqa: F401, PLC0415
    from app.adapters.database import imported_prices  # noqa: F401, PLC0415


def forked(program: list[str], environ: dict[str, str], how: dict[str, Any]) -> int:
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
        prepare(**how)
        code = integration.main() if program == ["integration"] else run_command(program)
    finally:
        os._exit(code)


def prepare(
    now: str | None = None,
    flush_moment: int | None = None,
    after_write: tuple[int, float] | None = None,
    worth_workers: int | None = None,
) -> None:
    """Make this process one in which it is `now`, and so many gaps are worth two processes.

    It is killed at that moment of its flushes, two each, or so many seconds after it began to write that file of the
    cache: by time alone hardly ever would that be there.
    """
    if now is not None:
        moment = datetime.fromisoformat(now)

        class Stopped(datetime):
            @classmethod
            def now(cls, _tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # not a Stopped one
                return moment

        vars(integration)["datetime"] = Stopped
    if flush_moment is not None:
        os.fsync = partial(flush_and_die, os.fsync, count(), flush_moment)
    if after_write is not None:
        sys.addaudithook(partial(die_after_write, count(), *after_write))
    if worth_workers is not None:
        backfill._WORTH_WORKERS = worth_workers  # noqa: SLF001 - a history as long as that takes minutes
    # What a worker imports anew is then what it would in the real command.
    sys.modules["__main__"] = cli


def flush_and_die(flush: Callable[[int], None], moments: Iterator[int], last: int, descriptor: int) -> None:
    for act in (lambda _: None, flush):
        act(descriptor)
        if next(moments) == last:
            os.kill(os.getpid(), signal.SIGKILL)


def die_after_write(writes: Iterator[int], last: int, seconds: float, event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or "/cache/" not in str(arguments[0]) or not arguments[2] & (os.O_WRONLY | os.O_RDWR):
        return
    if next(writes) == last:
        # Nobody handles it, so it is as deadly as number 9, and comes to the microsecond.
        signal.setitimer(signal.ITIMER_REAL, seconds)


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

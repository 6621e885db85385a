"""Use the database at a URL from a process patched by gevent, as the services are; print what was found as JSON."""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402 - the patch comes first
import sys  # noqa: E402
import time  # noqa: E402
from datetime import UTC, datetime  # noqa: E402

import gevent  # noqa: E402

from app.adapters.database.engine import Database, open_database  # noqa: E402
from app.adapters.database.events import DatabaseEventLog, append  # noqa: E402

GREENLETS = 40


def main(url: str) -> None:
    database = open_database(url)
    ticks: list[float] = []
    ticker = gevent.spawn(_tick, ticks)
    started = time.monotonic()
    gevent.joinall([gevent.spawn(_write, database, number) for number in range(GREENLETS)], raise_error=True)
    took_seconds = time.monotonic() - started
    ticker.kill()
    events = DatabaseEventLog(database).after(0, 1000)
    pauses = [later - earlier for earlier, later in zip([started, *ticks], ticks, strict=False)]
    said = {
        "ids": [event.id for event in events],
        "numbers": sorted(event.payload["number"] for event in events),
        "took_seconds": took_seconds,
        "longest_pause_seconds": max(pauses),
    }
    sys.stdout.write(json.dumps(said))


def _write(database: Database, number: int) -> None:
    with database.writing() as connection:
        append(connection, "test", {"number": number}, datetime.now(UTC))
        # Others want to write now, and must not stop the process while they wait.
        gevent.sleep(0.02)


def _tick(ticks: list[float]) -> None:
    while True:
        gevent.sleep(0.001)
        ticks.append(time.monotonic())


if __name__ == "__main__":
    main(sys.argv[1])

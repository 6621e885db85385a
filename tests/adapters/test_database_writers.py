"""Several processes write at once, and die at the worst moment."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from app.adapters.database.events import DatabaseEventLog
from app.adapters.database.prices import DatabasePriceHistory

if TYPE_CHECKING:
    import pytest

    from app.adapters.database.engine import Database

LONG_AGO, FAR_AWAY = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
SLOTS_APART = 100_000


def test_writers_killed_at_any_moment_leave_no_half_row_and_lose_none(
    database: Database, database_url: str, request: pytest.FixtureRequest
) -> None:
    """Three write at once, each is killed by -9, and three others follow; locks of the dead stop nobody."""
    moments = random.Random(24)  # noqa: S311 - not cryptography
    acknowledged: set[int] = set()
    for round_number in range(4):
        writers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.adapters.price_writer", database_url, str(SLOTS_APART * number)],
                cwd=request.config.rootpath,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(3 * round_number, 3 * round_number + 3)
        ]
        for writer in writers:
            acknowledged.add(_first_id(writer))
        for writer in writers:
            time.sleep(moments.random() * 0.1)
            assert writer.poll() is None, writer.stderr and writer.stderr.read()
            writer.kill()
            said, errors = writer.communicate()
            assert errors == ""
            # The last line may have been cut off.
            acknowledged.update(int(line) for line in said.splitlines(keepends=True) if line.endswith("\n"))
        _assert_rows_and_events_agree(database, acknowledged)
    assert len(acknowledged) > 3 * 4


def _first_id(writer: subprocess.Popen[str]) -> int:
    output: IO[str] | None = writer.stdout
    assert output is not None
    line = output.readline()
    assert line, writer.stderr and writer.stderr.read()
    return int(line)


def _assert_rows_and_events_agree(database: Database, acknowledged: set[int]) -> None:
    events = DatabaseEventLog(database).after(0, 1_000_000)
    rows = DatabasePriceHistory(database, lambda: None).between(LONG_AGO, FAR_AWAY)
    assert acknowledged <= {event.id for event in events}
    assert sorted((event.payload["timestamp"], event.payload["utxoracle_price"]) for event in events) == [
        (row.timestamp.isoformat(), row.utxoracle_price) for row in rows
    ]

"""Append events to the log of the database at a URL, from a process of its own: appender.py URL NAME COUNT.

Each transaction reads first, as a writer that decides by what is there, and stays open for a moment after the append,
so that transactions overlap where they can.
"""

from __future__ import annotations

import random
import sys
import time
from datetime import UTC, datetime

from sqlalchemy import func, select

from app.adapters.database.engine import open_database
from app.adapters.database.events import append
from app.adapters.database.tables import EventRow


def main(url: str, name: str, count: int) -> None:
    database = open_database(url)
    moments = random.Random(name)  # noqa: S311 - not cryptography
    for number in range(count):
        with database.writing() as connection:
            connection.execute(select(func.max(EventRow.id))).scalar()
            append(connection, "test", {"writer": name, "number": number}, datetime.now(UTC))
            time.sleep(moments.random() * 0.003)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

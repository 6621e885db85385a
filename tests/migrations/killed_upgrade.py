"""Upgrade the database at a URL, killed by -9 before its first statement, its second, and so on until one upgrade ends.

Prints a line of JSON for each death: what a newcomer finds in the database.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from itertools import count

from sqlalchemy import event, inspect

from app.adapters.database.engine import open_database
from app.adapters.database.migration import upgrade


def main(url: str) -> None:
    for statements in count(1):
        child = os.fork()
        if child == 0:
            _upgrade_until(url, statements)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            _say(exit=os.WEXITSTATUS(status), deaths=statements - 1)
            return
        database = open_database(url, create=True)
        with database.reading() as connection:
            tables = inspect(connection).get_table_names()
        _say(tables=tables, revision=database.schema().current)
        database.close()


def _say(**said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    # A child would inherit what is not written yet.
    sys.stdout.flush()


def _upgrade_until(url: str, statements: int) -> None:
    database = open_database(url, create=True)
    left = iter(range(statements, 0, -1))

    def die_in_time(*_: object) -> None:
        if next(left) == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database.engine, "before_cursor_execute", die_in_time)
    event.listen(database.engine, "commit", die_in_time)
    upgrade(database)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])

"""Scores before and after they said of how many whales their mean urgency speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, MetaData, exc, inspect, select, update

from tests.migrations.data.data_20261124_first_tables import ROWS

if TYPE_CHECKING:
    from sqlalchemy import Table

SCORES, SAMPLE = "correlation_tracking", "urgency_sample"


def before_upgrade(connection: Connection) -> None:
    """Write a score as the revision before does."""
    connection.execute(_table(connection).insert().values(ROWS[SCORES]))


def after_upgrade(connection: Connection) -> None:
    """See that its sample is unknown, and that there is room for one."""
    table = _table(connection)
    assert connection.execute(select(table.c[SAMPLE])).scalar_one() is None
    connection.execute(update(table).values({SAMPLE: 13}))
    with pytest.raises(exc.IntegrityError, match="urgency_sample_not_negative"), connection.begin_nested():
        connection.execute(update(table).values({SAMPLE: -1}))


def after_downgrade(connection: Connection) -> None:
    """See that the column is gone, and nothing else."""
    assert SAMPLE not in {column["name"] for column in inspect(connection).get_columns(SCORES)}
    _still_complete(connection)


def after_return(connection: Connection) -> None:
    """See that the score is there still, and knows no more than at first."""
    table = _still_complete(connection)
    assert connection.execute(select(table.c[SAMPLE])).scalar_one() is None


def _still_complete(connection: Connection) -> Table:
    """The score is as it was, and the checks of earlier revisions still hold."""
    table = _table(connection)
    assert connection.execute(select(table.c.confirmed)).scalar_one() == ROWS[SCORES]["confirmed"]
    for refused, constraint in (({"period": "week"}, "_known"), ({"accuracy_sample": -1}, "_not_negative")):
        with pytest.raises(exc.IntegrityError, match=constraint), connection.begin_nested():
            connection.execute(update(table).values(refused))
    return table


def _table(connection: Connection) -> Table:
    metadata = MetaData()
    metadata.reflect(connection, only=[SCORES])
    return metadata.tables[SCORES]

"""Each revision goes up, down and up again with rows in its tables; `data/` says for each what must become of them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol, cast

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.adapters.database.migration import ALEMBIC_INI, downgrade, upgrade

if TYPE_CHECKING:
    from alembic.script import Script
    from sqlalchemy import Connection

    from app.adapters.database.engine import Database

REVISIONS = list(ScriptDirectory.from_config(Config(ALEMBIC_INI)).walk_revisions())


class RevisionData(Protocol):
    """The module of a revision in `data/`; each function fills in what it needs, then asserts."""

    def before_upgrade(self, connection: Connection) -> None: ...
    def after_upgrade(self, connection: Connection) -> None: ...
    def after_downgrade(self, connection: Connection) -> None: ...
    def after_return(self, connection: Connection) -> None: ...


@pytest.mark.parametrize("script", REVISIONS, ids=lambda script: script.revision)
def test_up_down_and_up_again_with_rows(empty_database: Database, script: Script) -> None:
    data = cast("RevisionData", importlib.import_module(f"tests.migrations.data.data_{script.revision}"))
    below = str(script.down_revision or "base")
    if below != "base":
        upgrade(empty_database, below)
    with empty_database.writing() as connection:
        data.before_upgrade(connection)
    upgrade(empty_database, script.revision)
    with empty_database.writing() as connection:
        data.after_upgrade(connection)
    downgrade(empty_database, below)
    with empty_database.writing() as connection:
        data.after_downgrade(connection)
    upgrade(empty_database, script.revision)
    with empty_database.writing() as connection:
        data.after_return(connection)

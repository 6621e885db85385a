"""The web application, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.adapters.database.engine import Database, open_database
from tests.fakes.web_application import WebApplication


@pytest.fixture
def sqlite_database(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    file = tmp_path / "utxoracle.db"
    file.write_bytes(migrated_file.read_bytes())
    database = open_database(f"sqlite:///{file}")
    yield database
    database.close()


@pytest.fixture
def web(sqlite_database: Database) -> Iterator[WebApplication]:
    """The application, with the account `watcher` and nothing else in its database."""
    web = WebApplication(sqlite_database)
    web.add_account()
    web.monitor.start()
    yield web
    web.monitor.stop()


@pytest.fixture
def client(web: WebApplication) -> FlaskClient:
    return web.client()

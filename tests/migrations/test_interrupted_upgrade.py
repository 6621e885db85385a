from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from app.adapters.database.engine import Database, open_database
from app.adapters.database.migration import downgrade, upgrade
from app.adapters.database.schema import EXPECTED_REVISION
from app.services.storage import SchemaMismatchError


def test_an_upgrade_killed_at_any_statement_leaves_nothing_behind(
    empty_database_url: str, request: pytest.FixtureRequest
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.migrations.killed_upgrade", empty_database_url],
        cwd=request.config.rootpath,
        check=True,
        capture_output=True,
        text=True,
    )
    *deaths, end = map(json.loads, done.stdout.splitlines())
    assert end == {"exit": 0, "deaths": len(deaths)}
    # Fewer would mean that it was not killed between the tables.
    assert len(deaths) > 30
    assert deaths == [{"tables": [], "revision": None}] * len(deaths)
    database = open_database(empty_database_url)
    assert database.schema().is_at_head
    database.close()


def test_upgrades_at_the_same_time_agree(empty_database_url: str, request: pytest.FixtureRequest) -> None:
    command = [sys.executable, "-m", "app.cli", "db", "upgrade"]
    environ = {
        **os.environ,
        "UTXORACLE_ENV_FILE": os.devnull,
        "JWT_SECRET_KEY": "only for this test, and long enough",
        "DATABASE_URL": empty_database_url,
    }
    running = [
        subprocess.Popen(
            command,
            cwd=request.config.rootpath,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    said = sorted(process.communicate()[0] for process in running)
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert said == [f"already at {EXPECTED_REVISION}\n"] * 2 + [f"upgraded from nothing to {EXPECTED_REVISION}\n"]


def test_an_unknown_revision_changes_nothing(database: Database) -> None:
    with pytest.raises(SchemaMismatchError, match="19990101_dream"):
        upgrade(database, "19990101_dream")
    with pytest.raises(SchemaMismatchError, match="19990101_dream"):
        downgrade(database, "19990101_dream")
    assert database.schema().is_at_head

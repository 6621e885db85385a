from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def test_a_greenlet_that_waits_to_write_holds_up_nobody_else(database_url: str, request: pytest.FixtureRequest) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.adapters.greenlets", database_url],
        cwd=request.config.rootpath,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["numbers"] == list(range(40))
    assert found["ids"] == sorted(found["ids"])
    # One after another, each holding the log for 20 ms.
    assert found["took_seconds"] > 0.8
    assert found["longest_pause_seconds"] < 0.4

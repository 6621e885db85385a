"""`make down`, after `make up` and the scenarios of Molecule, leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.node.host.container_engine import ContainerEngine

CHECKOUT = Path(__file__).resolve().parents[2]


def test_nothing_is_left_of_what_was_made() -> None:
    done = subprocess.run(["make", "down"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (CHECKOUT / ".demo").exists()
    made = CHECKOUT / ".make"
    assert {each.name for each in made.iterdir()} <= {"test"} if made.exists() else True
    engine = ContainerEngine(os.environ)
    left = engine.run("ps", "--all", "--format", "{{.Names}}") + engine.run("images", "--format", "{{.Repository}}")
    assert "utxoracle" not in left


def test_a_second_time_there_is_nothing_to_do_and_nothing_to_complain_of() -> None:
    done = subprocess.run(["make", "down"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

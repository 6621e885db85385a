"""The lock that makes overlapping runs impossible."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.adapters.run_lock import AlreadyRunningError, RunLockError, only_run

HOLD = """
import sys, pathlib
from app.adapters.run_lock import only_run
with only_run(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_refused_and_a_killed_one_leaves_nothing_behind(tmp_path: Path) -> None:
    lock_file = tmp_path / "run.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock_file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunningError, match=r"run\.lock"), only_run(lock_file):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with only_run(lock_file):
        pass


def test_a_lock_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(RunLockError, match=r"run\.lock cannot be opened \(No such file or directory\)"),
        only_run(tmp_path / "absent" / "run.lock"),
    ):
        pass

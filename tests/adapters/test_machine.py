"""Figures of the machine, with psutil and without."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.adapters import machine
from app.adapters.machine import LocalMachine

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys
from pathlib import Path
without = sys.argv[1] == "without"
if without:
    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name == "psutil":
                raise ModuleNotFoundError("No module named 'psutil'", name="psutil")
    sys.meta_path.insert(0, Absent())
from app.adapters.machine import LocalMachine
here = LocalMachine(Path.cwd())
print(json.dumps([("psutil" in sys.modules), here.process_bytes(), here.available_bytes(), here.free_disk_bytes()]))
"""


def measured(how: str) -> tuple[bool, int, int, int]:
    command = [sys.executable, "-c", PROGRAM, how]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=True, text=True)
    found = json.loads(done.stdout)
    return (found[0], found[1], found[2], found[3])


def test_the_figures_are_alike_with_psutil_and_without() -> None:
    has_psutil, *with_psutil = measured("with")
    has_none, *without = measured("without")
    assert (has_psutil, has_none) == (True, False)
    assert all(figure > 1_000_000 for figure in (*with_psutil, *without))
    for one, other in zip(with_psutil, without, strict=True):
        assert 0.5 < one / other < 2


def test_what_a_sandbox_hides_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "_psutil", None)
    monkeypatch.setattr(machine, "Path", lambda *parts: tmp_path.joinpath(*[part.strip("/") for part in parts]))
    here = LocalMachine(tmp_path / "missing")
    assert here.process_bytes() is here.available_bytes() is here.free_disk_bytes() is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemFree: 1 kB\nMemAvailable:    2048 kB\n", encoding="ascii")
    assert here.available_bytes() == 2048 * 1024

"""Runs the modules of the pages in the interpreter that the browser tests bring along."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from playwright._impl._driver import compute_driver_executable

STATIC = Path(__file__).resolve().parents[2] / "app" / "web" / "static"


def evaluate(expression: str, **modules: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value of `expression`, which may wait; `modules` says which names of which module it may use."""
    script = "".join(f"import {{ {names} }} from '{(STATIC / module).as_uri()}';" for module, names in modules.items())
    script += f"console.log(JSON.stringify(await ({expression})))"
    interpreter, _ = compute_driver_executable()
    command = [interpreter, "--input-type=module", "--eval", script]
    found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)

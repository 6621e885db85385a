"""Work out a role's internal variables as Ansible does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.deploy.program import CHECKOUT, ROLES


def worked_out(directory: Path, role: str, hosts: dict[str, dict[str, Any]], expression: str) -> dict[str, str]:
    """Return what `expression` is for each of `hosts`, as text, or as JSON where it is none.

    Args:
        directory: For files of this call.
        role: Whose vars the expression is about.
        hosts: What the inventory says of each, by its name.
        expression: Of Jinja, without the braces.
    """
    inventory = directory / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    written = {"content": f"{{{{ {expression} }}}}", "dest": f"{directory}/{{{{ inventory_hostname }}}}"}
    play = [
        {
            "hosts": "all",
            "gather_facts": False,
            "vars_files": [str(ROLES / role / "vars/main.yml")],
            "tasks": [{"ansible.builtin.copy": written}],
        }
    ]
    (directory / "play.yml").write_text(json.dumps(play), encoding="utf-8")
    done = subprocess.run(
        ["ansible-playbook", "--connection=local", "-i", inventory, directory / "play.yml"],
        cwd=CHECKOUT,
        env=os.environ | {"ANSIBLE_NOCOLOR": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: (directory / name).read_text(encoding="utf-8") for name in hosts}

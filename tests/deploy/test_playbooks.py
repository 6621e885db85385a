"""Playbooks and the inventory's example, as the operator's own commands read them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.program import CHECKOUT, ROLES, program

EXAMPLE = CHECKOUT / "inventory.example"
PLAYBOOKS = sorted((CHECKOUT / "playbooks").glob("*.yml"))


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "ANSIBLE_NOCOLOR": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120, env=environ)


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda playbook: playbook.stem)
def test_ansible_understands_the_playbook(playbook: Any) -> None:  # noqa: ANN401 - a Path
    done = _run("ansible-playbook", "--syntax-check", "-i", str(EXAMPLE), str(playbook))
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_there_are_the_playbooks_that_operators_are_told_of() -> None:
    assert {"deploy", "verify"} <= {playbook.stem for playbook in PLAYBOOKS}


def _example(text: str, directory: Any) -> dict[str, Any]:  # noqa: ANN401 - a Path
    file = directory / "inventory.example"
    file.write_text(text, encoding="utf-8")
    done = _run("ansible-inventory", "-i", str(file), "--list")
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    hosts: dict[str, Any] = json.loads(done.stdout)["_meta"]["hostvars"]
    return hosts


def test_the_example_works_as_it_stands_for_this_machine(tmp_path: Any) -> None:  # noqa: ANN401 - a Path
    (host,) = _example(EXAMPLE.read_text(encoding="utf-8"), tmp_path).values()
    assert host["ansible_connection"] == "local"


def test_every_line_of_the_example_that_is_commented_out_works_too(tmp_path: Any) -> None:  # noqa: ANN401 - a Path
    text = EXAMPLE.read_text(encoding="utf-8")
    uncommented = re.sub(r"(?m)^#(?=\S)", "", text)
    hosts = _example(uncommented, tmp_path)
    assert len(hosts) == 2
    assert any("ansible_host" in variables and "ansible_user" in variables for variables in hosts.values())
    names = {name for variables in hosts.values() for name in variables if not name.startswith("ansible_")}
    known = program("preflight/filter_plugins/preflight.py").known_variables(str(ROLES))
    assert names
    assert names <= known


def test_every_line_of_the_example_is_explained() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if line.strip("#") and not line.startswith(("# ", "[")):
            assert before.startswith("# "), line


def test_only_modules_of_ansible_itself_are_used() -> None:
    words = {"name", "when", "loop", "vars", "register", "notify", "tags", "block", "rescue", "always", "environment"}
    used = set()
    for file in [*ROLES.glob("*/tasks/*.yml"), *ROLES.glob("*/handlers/*.yml")]:
        for task in yaml.safe_load(file.read_text(encoding="utf-8")) or []:
            used |= {key for key in task if "." in key}
            assert any(key.startswith("ansible.builtin.") for key in task) or words & set(task) & {"block"}, task
    assert {name.rpartition(".")[0] for name in used} == {"ansible.builtin"}


def test_every_unit_is_one_module_and_every_module_one_unit() -> None:
    units = {file.name.partition(".")[0] for file in (CHECKOUT / "templates/systemd").glob("*.service.j2")}
    modules = {file.stem for file in (CHECKOUT / "app/processes").glob("*.py") if file.stem != "__init__"}
    assert {unit.removeprefix("utxoracle-") for unit in units} == modules


def test_verify_knows_every_unit() -> None:
    known = yaml.safe_load((ROLES / "verify/vars/main.yml").read_text(encoding="utf-8"))
    modules = {file.stem for file in (CHECKOUT / "app/processes").glob("*.py") if file.stem != "__init__"}
    assert {*known["__verify_services"], *known["__verify_jobs"]} == modules
    timers = {file.name.partition(".")[0] for file in (CHECKOUT / "templates/systemd").glob("*.timer.j2")}
    assert {timer.removeprefix("utxoracle-") for timer in timers} == set(known["__verify_jobs"])

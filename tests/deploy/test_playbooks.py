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


def _preflight(directory: Path, host: str, *options: str) -> str:
    inventory = directory / "inventory.ini"
    inventory.write_text(f"[appliance]\nnode ansible_connection=local ansible_become=false {host}\n", encoding="utf-8")
    command = ["ansible-playbook", "-i", str(inventory), "playbooks/deploy.yml", "--check", "--tags", "preflight"]
    done = _run(*command, *options)
    assert done.returncode == 2
    return done.stdout + done.stderr


def test_a_host_without_the_python_that_was_named_is_told_so(tmp_path: Path) -> None:
    told = _preflight(tmp_path, "ansible_python_interpreter=/nonexistent/python3")
    assert "This host is not ready; nothing was changed:" in told
    assert "python3 could not be used on this host" in told
    assert "/nonexistent/python3: not found" in told


def test_an_ansible_that_is_too_old_is_told_so(tmp_path: Path) -> None:
    told = _preflight(tmp_path, "", "-e", "__preflight_ansible_min=99.0")
    assert "99.0 or newer is needed; run `make setup`" in told


def test_variables_that_a_later_role_would_stumble_over_stop_the_deploy_at_once(tmp_path: Path) -> None:
    wrong = {
        "units_allowed_addresses": "192.0.2.1",
        "setting_api_port": 1,
        "proxy_key_file": "/key.pem",
        "settings_database_url": "sqlite:////root/x.db",
        "host_prefix": "Ours",
    }
    told = _preflight(tmp_path, "", "-e", json.dumps(wrong))
    assert "The variables are not usable; nothing was changed:" in told
    for sentence in (
        "units_allowed_addresses is '192.0.2.1'; expected a list",
        "did you mean settings_api_port?",
        "set proxy_certificate_file and proxy_key_file together",
        "the database /root/x.db cannot be written",
        "host_prefix is Ours;",
    ):
        assert sentence in told


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

"""Which addresses the sandbox lets services reach, as Ansible works it out from the settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.deploy.program import CHECKOUT

DEFAULTS: dict[str, Any] = {
    "settings_bitcoin_rpc_url": "http://127.0.0.1:8332",
    "settings_mempool_api_url": "http://localhost:8999",
    "settings_electrs_api_url": "http://[::1]:3001",
    "settings_database_url": "",
    "settings_public_fallback_enabled": False,
    "settings_rate_sources": [],
    "units_allowed_addresses": [],
}
ON_LOOPBACK = "own=http://127.0.0.1:9000/rate#usd"
ELSEWHERE = "other=https://rates.example/v1?in=usd#data.price"


def _worked_out(directory: Path, settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the variables of the role `units` for each host of `settings`, as Ansible has them."""
    hosts = {name: DEFAULTS | changed for name, changed in settings.items()}
    inventory = directory / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    names = ("__units_integration_anywhere", "__units_addresses", "__units_named_upstreams")
    message = "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} }}"
    play = [
        {
            "hosts": "all",
            "gather_facts": False,
            "vars_files": [str(CHECKOUT / "roles/units/vars/main.yml")],
            "tasks": [
                {"ansible.builtin.copy": {"content": message, "dest": f"{directory}/{{{{ inventory_hostname }}}}"}}
            ],
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
    return {name: json.loads((directory / name).read_text(encoding="utf-8")) for name in hosts}


def test_the_integration_may_go_anywhere_only_for_what_has_no_fixed_address(tmp_path: Path) -> None:
    found = _worked_out(
        tmp_path,
        {
            "default": {},
            "fallback": {"settings_public_fallback_enabled": True},
            "fallback-as-text": {"settings_public_fallback_enabled": "true"},
            "no-fallback-as-text": {"settings_public_fallback_enabled": "false"},
            "own-rate": {"settings_rate_sources": [ON_LOOPBACK]},
            "rate-elsewhere": {"settings_rate_sources": [ON_LOOPBACK, ELSEWHERE]},
            "rates-as-text": {"settings_rate_sources": f"{ON_LOOPBACK},{ELSEWHERE}"},
            "no-rates-as-text": {"settings_rate_sources": ""},
            "mempool-elsewhere": {"settings_mempool_api_url": "http://192.0.2.7:8999"},
        },
    )
    anywhere = {name for name, variables in found.items() if variables["__units_integration_anywhere"]}
    assert anywhere == {"fallback", "fallback-as-text", "rate-elsewhere", "rates-as-text"}
    # Nobody else is let out for their sake, and preflight has no name to refuse.
    assert {name for name, variables in found.items() if variables["__units_addresses"]} == {"mempool-elsewhere"}
    assert not [name for name, variables in found.items() if variables["__units_named_upstreams"]]

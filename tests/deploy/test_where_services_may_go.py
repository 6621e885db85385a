"""Which addresses the sandbox lets services reach, as Ansible works it out from the settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.templates import TEMPLATES, defaults
from tests.deploy.variables import worked_out

DEFAULTS: dict[str, Any] = {
    "settings_bitcoin_rpc_url": "http://127.0.0.1:8332",
    "settings_mempool_api_url": "http://localhost:8999",
    "settings_electrs_api_url": "http://[::1]:3001",
    "settings_database_url": "",
    "settings_zmq_rawtx_url": "auto",
    "settings_zmq_sequence_url": "auto",
    "settings_public_fallback_enabled": False,
    "settings_rate_sources": [],
    "units_allowed_addresses": [],
}
ON_LOOPBACK = "own=http://127.0.0.1:9000/rate#usd"
ELSEWHERE = "other=https://rates.example/v1?in=usd#data.price"


WORKED_OUT = (
    "__units_integration_anywhere",
    "__units_addresses",
    "__units_detector_addresses",
    "__units_named_upstreams",
)


def _worked_out(directory: Path, settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the variables of the role `units` for each host of `settings`, as Ansible has them."""
    hosts = {name: DEFAULTS | changed for name, changed in settings.items()}
    told = worked_out(directory, "units", hosts, "{" + ", ".join(f"'{name}': {name}" for name in WORKED_OUT) + "}")
    return {name: json.loads(text) for name, text in told.items()}


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


def test_the_detector_may_go_to_bitcoind_and_the_database_and_nowhere_else(tmp_path: Path) -> None:
    zmq = {"settings_zmq_rawtx_url": "tcp://192.0.2.1:28333", "settings_zmq_sequence_url": "tcp://[2001:db8::1]:28335"}
    found = _worked_out(
        tmp_path,
        {
            "on-this-host": {},
            "off": {"settings_zmq_rawtx_url": "off", "settings_zmq_sequence_url": "off"},
            "socket-file": {"settings_zmq_rawtx_url": "ipc:///run/bitcoin/rawtx"},
            "bitcoind-elsewhere": {"settings_bitcoin_rpc_url": "http://192.0.2.1:8332"},
            "stream-elsewhere": zmq,
            "database-elsewhere": {"settings_database_url": "postgresql://u:p@192.0.2.2/price"},
            "others-elsewhere": {
                "settings_mempool_api_url": "http://192.0.2.7:8999",
                "settings_electrs_api_url": "http://192.0.2.8:3001",
                "settings_public_fallback_enabled": True,
            },
            "stream-by-name": {"settings_zmq_rawtx_url": "tcp://node.example:28333"},
            "as-the-operator-says": {"units_allowed_addresses": ["192.0.2.9"]},
        },
    )
    allowed = {name: set(each["__units_detector_addresses"]) for name, each in found.items()}
    assert {name: addresses for name, addresses in allowed.items() if addresses} == {
        "bitcoind-elsewhere": {"192.0.2.1"},
        "stream-elsewhere": {"192.0.2.1", "2001:db8::1"},
        "database-elsewhere": {"192.0.2.2"},
        "as-the-operator-says": {"192.0.2.9"},
    }
    # Nobody but the detector listens to the stream.
    assert found["stream-elsewhere"]["__units_addresses"] == []
    assert {
        name: each["__units_named_upstreams"] for name, each in found.items() if each["__units_named_upstreams"]
    } == {"stream-by-name": ["node.example"]}


@pytest.mark.parametrize(
    ("service", "addresses"),
    [("detector", "192.0.2.1"), ("websocket", "192.0.2.1 192.0.2.7"), ("api", "192.0.2.1 192.0.2.7")],
)
def test_each_unit_is_written_with_the_addresses_of_its_own_service(
    tmp_path: Path, service: str, addresses: str
) -> None:
    upstreams = {
        "settings_bitcoin_rpc_url": "http://192.0.2.1:8332",
        "settings_mempool_api_url": "http://192.0.2.7:8999",
    }
    host = {
        **DEFAULTS,
        **defaults(),
        **upstreams,
        "settings_database_path": "",
        "__units_systemd": {"stdout": "systemd 257"},
    }
    template = f"lookup('ansible.builtin.template', '{TEMPLATES}/systemd/{service}.service.j2')"
    unit = worked_out(tmp_path, "units", {"node": host}, template)["node"]
    assert f"IPAddressAllow={addresses}" in unit.splitlines()

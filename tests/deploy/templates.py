"""Render what lies in templates/ as a deploy does, without Ansible."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tests.deploy.program import CHECKOUT

TEMPLATES = CHECKOUT / "templates"


def rendered(name: str, **variables: object) -> str:
    """Return the text of a template; a variable that is neither given nor known fails."""
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, (TEMPLATES / name).parent]),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML
    )
    environment.tests["match"] = lambda text, pattern: re.match(pattern, str(text)) is not None
    environment.filters["bool"] = bool
    return environment.get_template(name).render(**(defaults() | variables))


def defaults() -> dict[str, Any]:
    """Return what the templates want to know, as on a host where nobody has chosen anything."""
    home = Path("/opt/utxoracle")
    return {
        "host_prefix": "utxoracle",
        "node_bitcoind_unit": "bitcoind.service",
        "proxy_address": "0.0.0.0",  # noqa: S104 - rendered, not bound to
        "proxy_port": 8443,
        "proxy_tls": True,
        "settings_api_host": "127.0.0.1",
        "settings_api_port": 8001,
        "settings_bitcoin_rpc_cookie_file": "",
        "__units_database_file": "",
        "settings_memory_limit_mb": 500,
        "settings_websocket_host": "127.0.0.1",
        "settings_websocket_port": 8765,
        "__host_home": str(home),
        "__host_runtime": "/run/utxoracle",
        "__host_settings": "/etc/utxoracle/.env",
        "__host_state": "/var/lib/utxoracle",
        "__host_user": "utxoracle",
        "__proxy_certificate": "/etc/utxoracle/tls/certificate.pem",
        "__proxy_key": "/etc/utxoracle/tls/key.pem",
        "__units_addresses": [],
        "__units_delay_grows": False,
        "__units_detector_addresses": [],
        "__units_integration_anywhere": False,
    }

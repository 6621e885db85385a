"""Short questions to what runs beside bitcoind: who are you, and do you work?"""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import requests

from app.services.health import DegradedError, SkippedError

_CONNECT_SECONDS, _READ_SECONDS = 0.8, 0.8
_MAX_BYTES = 65_536


class UpstreamError(Exception):
    """It does not answer as it should; the message is a sentence for operators."""


class EsploraProbe:
    """electrs' REST at `base_url`, in the Esplora form; an electrs without it is told apart."""

    def __init__(self, base_url: str | None) -> None:
        self._base_url = base_url

    def probe(self) -> str:
        """Return its height."""
        if not self._base_url:
            raise SkippedError("ELECTRS_API_URL is empty")
        try:
            status, body = _get(f"{self._base_url}/blocks/tip/height")
        except requests.RequestException as error:
            self._raise_if_electrum()
            raise UpstreamError(f"electrs at {self._base_url} does not answer ({type(error).__name__})") from None
        if status != requests.codes.ok or not body.strip().isdigit():
            raise UpstreamError(f"what answers at {self._base_url} is not Esplora's REST; is ELECTRS_API_URL right?")
        return f"Esplora at height {int(body)}"

    def _raise_if_electrum(self) -> None:
        name = _electrum_name(self._base_url or "")
        if name is not None:
            raise DegradedError(
                f"{name} at {self._base_url} speaks the Electrum protocol only; "
                "run electrs of Blockstream or mempool, or empty ELECTRS_API_URL"
            )


class MempoolProbe:
    """The mempool backend at `base_url`."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def probe(self) -> str:
        """Return its version."""
        try:
            status, body = _get(f"{self._base_url}/api/v1/backend-info")
            about = json.loads(body)
        except requests.RequestException as error:
            raise UpstreamError(
                f"the mempool backend at {self._base_url} does not answer ({type(error).__name__})"
            ) from None
        except ValueError:
            status, about = requests.codes.bad_gateway, None
        if status != requests.codes.ok or not isinstance(about, dict):
            raise UpstreamError(f"what answers at {self._base_url} is not mempool's backend; is MEMPOOL_API_URL right?")
        return f"mempool {str(about.get('version', 'of unknown version'))[:40]}"


def _get(url: str) -> tuple[int, bytes]:
    session = requests.Session()
    # Neither a proxy nor ~/.netrc has a say in how the own node is asked.
    session.trust_env = False
    with session.get(url, timeout=(_CONNECT_SECONDS, _READ_SECONDS), allow_redirects=False, stream=True) as answer:
        return answer.status_code, answer.raw.read(_MAX_BYTES, decode_content=True)


def _electrum_name(base_url: str) -> str | None:
    """Return what an Electrum server at the host and port of `base_url` calls itself; None when there is none."""
    parts = urlsplit(base_url)
    question = {"id": 0, "method": "server.version", "params": ["utxoracle", "1.4"]}
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), _CONNECT_SECONDS) as server:
            server.settimeout(_READ_SECONDS)
            server.sendall(json.dumps(question).encode() + b"\n")
            answer = json.loads(server.makefile("rb").readline(_MAX_BYTES))
        return str(answer["result"][0])[:40]
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None

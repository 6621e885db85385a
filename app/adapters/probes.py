"""Short questions to what runs beside bitcoind: who are you, and do you work?"""

from __future__ import annotations

import json
import socket
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import requests

from app.adapters.bounded_http import BoundedHttp, Bounds, NoAnswerError
from app.adapters.strange_json import Form, NoJsonError, json_of
from app.domain.mempool.sight import MempoolSight
from app.services.health import DegradedError, SkippedError

_CONNECT_SECONDS, _READ_SECONDS = 0.8, 0.8
_MAX_BYTES = 65_536
_BOUNDS = Bounds(_CONNECT_SECONDS, _READ_SECONDS, _MAX_BYTES)
# The way there, until an answer begins, until it has ended.
_WAITS_AN_ANSWER = 3

# More waits nowhere.
_Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
_Vsize = Annotated[float, msgspec.Meta(ge=0, le=10**12)]


class _EsploraMempool(msgspec.Struct):
    count: _Count
    vsize: _Vsize


class _ProjectedBlock(msgspec.Struct):
    transaction_count: _Count = msgspec.field(name="nTx")
    vsize_vb: _Vsize = msgspec.field(name="blockVSize")


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
        except NoAnswerError as error:
            self._raise_if_electrum()
            raise UpstreamError(f"electrs at {self._base_url} {error}") from None
        _raise_if_unwell(f"electrs at {self._base_url}", status)
        if status != requests.codes.ok or not body.strip().isdigit():
            raise UpstreamError(f"what answers at {self._base_url} is not Esplora's REST; is ELECTRS_API_URL right?")
        return f"Esplora at height {int(body)}"

    def waiting(self, within_seconds: float) -> MempoolSight | None:
        """Return what it sees waiting; None when it does not say, or not in time."""
        found = _form(f"{self._base_url}/mempool", _EsploraMempool, within_seconds)
        return None if found is None else MempoolSight(found.count, round(found.vsize))

    def _raise_if_electrum(self) -> None:
        name = _electrum_name(self._base_url or "")
        if name is not None:
            raise DegradedError(
                f"{name} at {self._base_url} speaks the Electrum protocol only; "
                "run electrs of Blockstream or mempool, or empty ELECTRS_API_URL"
            )


class MempoolProbe:
    """The mempool backend at `base_url`; None when nothing is asked of it."""

    def __init__(self, base_url: str | None) -> None:
        self._base_url = base_url

    def probe(self) -> str:
        """Return its version."""
        if self._base_url is None:
            raise SkippedError("EXCHANGE_COMPARISON_ENABLED is false")
        try:
            status, body = _get(f"{self._base_url}/api/v1/backend-info")
        except NoAnswerError as error:
            raise UpstreamError(f"the mempool backend at {self._base_url} {error}") from None
        _raise_if_unwell(f"the mempool backend at {self._base_url}", status)
        try:
            about = json_of(body, object)
        except NoJsonError:
            about = None
        if status != requests.codes.ok or not isinstance(about, dict):
            raise UpstreamError(f"what answers at {self._base_url} is not mempool's backend; is MEMPOOL_API_URL right?")
        return f"mempool {str(about.get('version', 'of unknown version'))[:40]}"

    def waiting(self, within_seconds: float) -> MempoolSight | None:
        """Return what it sees waiting; None when it does not say, or not in time."""
        # The last of the projected blocks holds all that does not fit into the others.
        blocks = _form(f"{self._base_url}/api/v1/fees/mempool-blocks", list[_ProjectedBlock], within_seconds)
        if blocks is None:
            return None
        return MempoolSight(
            sum(each.transaction_count for each in blocks), round(sum(each.vsize_vb for each in blocks))
        )


def _raise_if_unwell(who: str, status: int) -> None:
    # Its address is right then.
    if status == requests.codes.too_many_requests or status >= requests.codes.internal_server_error:
        raise UpstreamError(f"{who} answers {status}: it is overloaded, or its own bitcoind is away")


def _get(url: str, bounds: Bounds = _BOUNDS) -> tuple[int, bytes]:
    with BoundedHttp(bounds) as http:
        answer = http.ask(url)
        return answer.status, answer.body


def _form(url: str, form: type[Form], within_seconds: float) -> Form | None:
    """Return what is answered, when it is a `form` and in time."""
    share_seconds = within_seconds / _WAITS_AN_ANSWER
    try:
        status, body = _get(url, Bounds(share_seconds, share_seconds, _MAX_BYTES))
        return json_of(body, form) if status == requests.codes.ok else None
    except (NoAnswerError, NoJsonError):
        return None


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

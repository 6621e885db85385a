"""HTTP to one bitcoind, with bounds on time and size and with errors that say what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from app.services.block_source import NodeError, NodeNotReadyError, NodeUnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Beyond a block in hexadecimal, with room for what surrounds it.
MAX_ANSWER_BYTES = 16_000_000

# For the connection, and for each wait on it: a whole block takes a busy node its time.
PATIENT: tuple[float, float] = (5, 60)
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and the whole body."""

    status: int
    body: bytes


class BitcoindHttp:
    """One kept connection to one bitcoind.

    Attributes:
        shown_url: Its address for messages: without user and password, should they be in it.
    """

    def __init__(self, url: str, timeout_seconds: tuple[float, float] = PATIENT) -> None:
        parts = urlsplit(url)
        self._timeout_seconds = timeout_seconds
        self.shown_url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._url = url
        self._session = requests.Session()
        # Neither a proxy nor ~/.netrc has a say in how the own node is asked.
        self._session.trust_env = False

    def get(self, path: str) -> Answer:
        """Return the answer to GET, whatever its status but 503.

        Raises:
            NodeError: There is no answer (NodeUnreachableError), it is 503 (NodeNotReadyError), or larger than a block.
        """
        return self._ask("GET", path, None, {})

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Return the answer to POST on `/`; errors as those of `get`."""
        return self._ask("POST", "/", body, headers)

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            with self._session.request(
                method,
                self._url + path,
                data=body,
                headers=headers,
                timeout=self._timeout_seconds,
                allow_redirects=False,
                stream=True,
            ) as response:
                answer = Answer(response.status_code, self._bounded(response))
        except requests.Timeout as error:
            raise NodeUnreachableError(f"bitcoind at {self.shown_url} does not answer in time") from error
        except requests.RequestException as error:
            raise NodeUnreachableError(
                f"bitcoind at {self.shown_url} cannot be reached; is it running, and is BITCOIN_RPC_URL right?"
            ) from error
        if answer.status == requests.codes.service_unavailable:
            said = answer.body[:200].decode(errors="replace").strip()
            raise NodeNotReadyError(f"bitcoind at {self.shown_url} is not ready: {said or 'it is busy'}")
        return answer

    def _bounded(self, response: requests.Response) -> bytes:
        body = bytearray()
        for piece in response.iter_content(_PIECE_BYTES):
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise NodeError(f"what answers at {self.shown_url} sends more than {MAX_ANSWER_BYTES} bytes")
        return bytes(body)

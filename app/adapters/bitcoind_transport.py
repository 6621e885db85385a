"""How one bitcoind is asked by HTTP, with errors that say what to do."""

from __future__ import annotations

from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from app.adapters.http_answer import NoAnswerError, TooLargeError, TooSlowError
from app.services.block_source import NodeError, NodeNotReadyError, NodeUnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.adapters.http_answer import Answer


class Http(Protocol):
    """Asks over a kept connection; for one thread at a time."""

    def ask(self, url: str, method: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Return the answer, whatever its status; raise NoAnswerError when there is none within the bounds."""


class BitcoindTransport:
    """One kept connection to one bitcoind; several threads take turns.

    Attributes:
        shown_url: Its address for messages: without user and password, should they be in it.
    """

    def __init__(self, url: str, http: Http) -> None:
        parts = urlsplit(url)
        self.shown_url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._url = url
        self._http = http
        self._lock = Lock()

    def get(self, path: str) -> Answer:
        """Return the answer to GET, whatever its status but 503.

        Raises:
            NodeError: There is no answer (NodeUnreachableError), it is 503 (NodeNotReadyError), or larger than it may
                be.
        """
        return self._ask("GET", path, None, {})

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Return the answer to POST on `/`; errors as those of `get`."""
        return self._ask("POST", "/", body, headers)

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            with self._lock:
                answer = self._http.ask(self._url + path, method, body, headers)
        except TooLargeError as error:
            raise NodeError(f"what answers at {self.shown_url} {error}") from error
        except TooSlowError as error:
            raise NodeUnreachableError(f"bitcoind at {self.shown_url} {error}") from error
        except NoAnswerError as error:
            raise NodeUnreachableError(
                f"bitcoind at {self.shown_url} cannot be reached; is it running, and is BITCOIN_RPC_URL right?"
            ) from error
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            said = answer.body[:200].decode(errors="replace").strip()
            raise NodeNotReadyError(f"bitcoind at {self.shown_url} is not ready: {said or 'it is busy'}")
        return answer

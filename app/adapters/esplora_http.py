"""HTTP to a service that speaks Esplora's REST, with bounds on time and size and with errors that say what to do."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import requests

from app.adapters.bounded_http import BoundedHttp, Bounds, NoAnswerError
from app.domain.blocks.block import MAX_BLOCK_BYTES
from app.services.block_source import BlockUnknownError, NodeError, NodeNotReadyError, NodeUnreachableError

if TYPE_CHECKING:
    from app.adapters.bounded_http import Answer

# As patient as with bitcoind; nothing larger than a block is asked for.
_BOUNDS = Bounds(connect_seconds=5, answer_seconds=60, max_bytes=MAX_BLOCK_BYTES)
_BUSY = {requests.codes.too_many_requests, requests.codes.service_unavailable}


class ServiceBrokenError(NodeError):
    """The service itself says that it could not answer (500), and not why."""


@dataclass(frozen=True, slots=True)
class Service:
    """Who is asked.

    Attributes:
        name: What is written down as the origin of its blocks, such as `electrs`.
        url: Its address, to which a prefix and the path are appended.
        prefixes: Where its REST may begin; the first that answers is used.
        remedy: What its operator does when it does not answer.
    """

    name: str
    url: str
    prefixes: tuple[str, ...] = ("",)
    remedy: str = ""

    def __str__(self) -> str:
        """Name it in a sentence."""
        return f"{self.name} at {self.url}"


class EsploraHttp:
    """One kept connection to one service; several threads take turns."""

    def __init__(self, service: Service, bounds: Bounds = _BOUNDS) -> None:
        self.service = service
        self._http = BoundedHttp(bounds)
        self._lock = Lock()

    def answer(self, path: str) -> Answer:
        """Return the answer to GET, whatever its status.

        Raises:
            NodeError: There is no answer (NodeUnreachableError), or the service has too much to do (NodeNotReadyError).
        """
        try:
            with self._lock:
                answer = self._http.ask(self.service.url + path)
        except NoAnswerError as error:
            raise NodeUnreachableError(f"{self.service} {error}{self.service.remedy}") from error
        if answer.status in _BUSY:
            raise NodeNotReadyError(f"{self.service} has too much to do, or refuses us: it answered {answer.status}")
        return answer

    def body(self, path: str) -> bytes:
        """Return the body of a good answer.

        Raises:
            BlockUnknownError: There is no such block.
            NodeError: There is no good answer (ServiceBrokenError if it is 500), or as `answer`.
        """
        answer = self.answer(path)
        if answer.status == requests.codes.not_found:
            raise BlockUnknownError(f"{self.service} does not know the block of {path}")
        if answer.status != requests.codes.ok:
            kind = ServiceBrokenError if answer.status == requests.codes.internal_server_error else NodeError
            raise kind(f"{self.service} answered {answer.status} to {path}")
        return answer.body

"""HTTP by the standard library alone, for a process that does without the 5 MB of a library for it."""

from __future__ import annotations

import time
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from app.adapters.deadline_socket import DeadlineSocket
from app.adapters.http_answer import Answer, Bounds, NoAnswerError, TooLargeError, TooSlowError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from urllib.parse import SplitResult

_PIECE_BYTES = 1 << 18


class _Connection(NamedTuple):
    http: HTTPConnection
    limited: DeadlineSocket

    @property
    def is_open(self) -> bool:
        """Whether the server has not said that it closes it."""
        return self.http.sock is not None


class LeanHttp:
    """Asks one server over a kept connection; neither a proxy of the environment nor a redirect has a say in it.

    Meant for questions that can be asked twice: one over a connection that the server had closed meanwhile is.
    Not for several threads.
    """

    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self._bounds = bounds
        self._clock = clock
        self._kept: _Connection | None = None

    def ask(self, url: str, method: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Return the answer, whatever its status; raise NoAnswerError when there is none within the bounds."""
        parts = urlsplit(url)

        def asked(connection: _Connection) -> Answer:
            connection.limited.end_in(self._bounds.answer_seconds)
            connection.http.request(method, parts.path or "/", body, dict(headers))
            with connection.http.getresponse() as response:
                return Answer(response.status, self._body(response))

        try:
            return self._on_a_connection(parts, asked)
        except NoAnswerError:
            self.close()
            raise
        except TimeoutError as error:
            self.close()
            raise TooSlowError("does not answer in time") from error
        except (OSError, HTTPException) as error:
            self.close()
            raise NoAnswerError(f"cannot be reached ({type(error).__name__})") from error

    def close(self) -> None:
        """Close the connection; the next question makes another."""
        if self._kept is not None:
            self._kept.http.close()
            self._kept = None

    def _on_a_connection(self, parts: SplitResult, asked: Callable[[_Connection], Answer]) -> Answer:
        if self._kept is not None and self._kept.is_open:
            try:
                return asked(self._kept)
            except ConnectionError:
                self.close()
        self._kept = self._connected(parts)
        return asked(self._kept)

    def _connected(self, parts: SplitResult) -> _Connection:
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        http = kind(parts.hostname or "", parts.port, timeout=self._bounds.connect_seconds)
        http.connect()
        limited = DeadlineSocket(http.sock, self._clock)
        http.sock = limited
        return _Connection(http, limited)

    def _body(self, response: HTTPResponse) -> bytes:
        body = BytesIO()
        left_bytes = self._bounds.max_bytes
        while piece := response.read1(_PIECE_BYTES):
            body.write(piece)
            left_bytes -= len(piece)
            if left_bytes < 0:
                raise TooLargeError(f"sends more than {self._bounds.max_bytes} bytes")
        # Of these many that were announced, and did not come.
        if response.length:
            raise NoAnswerError("breaks off its answer")
        return body.getvalue()

"""HTTP to an address that the operator named, and to no other: answers of bounded size and time, whoever gives them."""

from __future__ import annotations

import time
from io import BytesIO
from typing import TYPE_CHECKING, Self

import requests
import urllib3

from app.adapters.http_answer import Answer, Bounds, NoAnswerError, TooLargeError, TooSlowError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Answer", "BoundedHttp", "Bounds", "NoAnswerError", "TooLargeError", "TooSlowError"]

_PIECE_BYTES = 1 << 18


class _Session(requests.Session):
    """Goes nowhere but to where it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None, whatever the answer says: even without following, requests would read all of its body here."""


class BoundedHttp:
    """Asks over a kept connection; neither a proxy of the environment, nor ~/.netrc, nor a redirect has a say in it."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self._bounds = bounds
        self._clock = clock
        self._session = _Session()

    def ask(
        self, url: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Return the answer, whatever its status; raise NoAnswerError when there is none within the bounds."""
        try:
            with self._session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=(self._bounds.connect_seconds, self._bounds.answer_seconds),
                stream=True,
            ) as response:
                return Answer(response.status_code, self._body(response))
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise TooSlowError("does not answer in time") from error
        except requests.RequestException as error:
            raise NoAnswerError(f"cannot be reached ({type(error).__name__})") from error
        except urllib3.exceptions.HTTPError as error:
            raise NoAnswerError(f"breaks off its answer ({type(error).__name__})") from error

    def _body(self, response: requests.Response) -> bytes:
        ends_at = self._clock() + self._bounds.answer_seconds
        # Not a list: of pieces of a byte each it would take fifty times as much.
        body = BytesIO()
        left_bytes = self._bounds.max_bytes
        # What has come, and not a piece of full length: a byte a second would keep that waiting for ever.
        while piece := response.raw.read1(_PIECE_BYTES, decode_content=True):
            body.write(piece)
            left_bytes -= len(piece)
            if left_bytes < 0:
                raise TooLargeError(f"sends more than {self._bounds.max_bytes} bytes")
            if self._clock() > ends_at:
                raise TooSlowError("does not answer in time: it sends too slowly")
        return body.getvalue()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._session.close()

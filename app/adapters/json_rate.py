"""An exchange rate that stands somewhere in the JSON of an address that the operator named."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

import requests

from app.adapters.bounded_http import Answer, BoundedHttp, Bounds, NoAnswerError
from app.adapters.strange_json import NoJsonError, json_of
from app.adapters.time_limit import TimeLimitError, within
from app.services.exchange_rate import Quote, RateUnavailableError
from app.services.rate_survey import Source

# One pair is under 1 KB; some exchanges answer with all that they have.
_BOUNDS = Bounds(connect_seconds=2, answer_seconds=5, max_bytes=1_048_576)
_PATIENCE_SECONDS = 10

_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_INDEX = re.compile("[0-9]{1,9}")


def json_source(setting: str) -> Source:
    """Return the source that `setting` describes, one of RATE_SOURCES: `name=url#path`."""
    name, _, address = setting.partition("=")
    url, _, path = address.partition("#")
    return Source(name, JsonExchangeRate(url, path))


class JsonExchangeRate:
    """A rate in USD at `path` of the JSON at `url`: keys, and indices from 0 in lists, with dots between them.

    Its time is that of the answer: what else the answer says about its age is not looked at.
    """

    def __init__(self, url: str, path: str, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._url = url
        self._path = path
        self._patience_seconds = patience_seconds
        parts = urlsplit(url)
        # What follows may hold a key that is nobody else's business; some have it in the path.
        self._shown = f"{parts.scheme}://{parts.netloc}"

    def quote(self) -> Quote:
        """Return the rate of now; raise RateUnavailableError when there is none or nobody to ask."""
        answer = self._answer()
        if answer.status != requests.codes.ok:
            raise RateUnavailableError(f"{self._shown} answered {answer.status}")
        try:
            document = json_of(answer.body, object)
        except NoJsonError as error:
            raise RateUnavailableError(f"{self._shown} did not answer with JSON: {error}") from error
        return Quote(self._figure(document), datetime.now(UTC))

    def _figure(self, document: object) -> float:
        found = document
        for key in self._path.split("."):
            found = self._step(found, key)
        # Many exchanges write decimals as text, so that nobody rounds them.
        if isinstance(found, str) and _DECIMAL.fullmatch(found):
            return float(found)
        if isinstance(found, (int, float)) and not isinstance(found, bool):
            return found
        raise RateUnavailableError(f"{self._shown} has no number at {self._path!r}, but {found!r:.40}")

    def _step(self, inside: object, key: str) -> object:
        if isinstance(inside, dict) and key in inside:
            return inside[key]
        if isinstance(inside, list) and _INDEX.fullmatch(key) and int(key) < len(inside):
            return inside[int(key)]
        raise RateUnavailableError(f"{self._shown} has no {key!r} on the way to {self._path!r}; correct RATE_SOURCES")

    def _answer(self) -> Answer:
        try:
            with BoundedHttp(_BOUNDS) as http:
                return within(self._patience_seconds, partial(http.ask, self._url))
        except (NoAnswerError, TimeLimitError) as error:
            raise RateUnavailableError(f"{self._shown} {error}") from error

"""Our own REST API, as its clients see it."""

from __future__ import annotations

import json
from typing import Any

from app.adapters.bounded_http import BoundedHttp, Bounds, NoAnswerError
from app.services.acceptance_checks import UnansweredError

_BOUNDS = Bounds(connect_seconds=2, answer_seconds=10, max_bytes=1_000_000)


class OwnApi:
    """Answers `app.services.acceptance_checks.Api`."""

    def __init__(self, host: str, port: int) -> None:
        self._base = f"http://{loopback_of(host)}:{port}"
        self._http = BoundedHttp(_BOUNDS)

    def get(self, path: str, token: str | None = None) -> tuple[int, Any]:
        """Return the status, and the JSON of the body; raise UnansweredError without such an answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self._base}{path}"
        try:
            answer = self._http.ask(url, headers=headers)
        except NoAnswerError as error:
            raise UnansweredError(f"{url} {error}; start utxoracle-api, its log says why it ended") from error
        try:
            return answer.status, json.loads(answer.body)
        except ValueError:
            raise UnansweredError(f"{url} answered {answer.status} without JSON; is it our API?") from None


def loopback_of(host: str) -> str:
    """Return where a service that listens on `host` can be reached from its own machine, ready for a URL."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - to connect, not to listen
    return f"[{host}]" if ":" in host else host

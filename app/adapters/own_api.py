"""Our own REST API, as its clients see it."""

from __future__ import annotations

from typing import Any

import requests

from app.services.acceptance_checks import UnansweredError

_TIMEOUT_SECONDS = (2, 10)


class OwnApi:
    """Answers `app.services.acceptance_checks.Api`."""

    def __init__(self, host: str, port: int) -> None:
        self._base = f"http://{loopback_of(host)}:{port}"
        self._session = requests.Session()
        # A proxy of the environment has no business between us and ourselves.
        self._session.trust_env = False

    def get(self, path: str, token: str | None = None) -> tuple[int, Any]:
        """Return the status, and the JSON of the body; raise UnansweredError without such an answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self._base}{path}"
        try:
            answer = self._session.get(url, headers=headers, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
            return answer.status_code, answer.json()
        except requests.JSONDecodeError:
            raise UnansweredError(f"{url} answered {answer.status_code} without JSON; is it our API?") from None
        except requests.RequestException as error:
            raise UnansweredError(
                f"{url} does not answer ({type(error).__name__}); start utxoracle-api, its log says why it ended"
            ) from error


def loopback_of(host: str) -> str:
    """Return where a service that listens on `host` can be reached from its own machine, ready for a URL."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - to connect, not to listen
    return f"[{host}]" if ":" in host else host

"""Sign in to an appliance by name and password, for `whale_stream.events`; the standard library is enough.

account = Account("https://node.example:8443", "watcher", password, cafile="certificate.pem")
"""

from __future__ import annotations

import json
import logging
import ssl
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from whale_stream import MAY_HEAL, PATIENCE_SECONDS, RefusedError, Token

_log = logging.getLogger(__name__)


class Account:
    """Gives tokens: the first by the password, later ones by the refresh token, for as long as the session lasts.

    Args:
        api_url: Of the REST API, like https://node.example:8443; on the host itself http://127.0.0.1:8001.
        username: Who signs in.
        password: The password.
        cafile: Certificates to trust in place of the system's: a copy of the appliance's own, if it is self-signed.
    """

    def __init__(self, api_url: str, username: str, password: str, *, cafile: str | None = None) -> None:
        if not api_url.startswith(("https://", "http://")):
            raise ValueError(f"not the address of a REST API: {api_url}")
        self._url = api_url.rstrip("/")
        self._credentials = {"username": username, "password": password}
        self._tls = ssl.create_default_context(cafile=cafile)
        self._refresh_token: str | None = None

    def __call__(self) -> Token:
        """Return a new access token.

        Raises:
            RefusedError: Name and password do not match, or whatever else does not change by itself.
            OSError: It is worth while to try again.
        """
        # It is good for one use; should the answer get lost, the password is still there.
        refresh_token, self._refresh_token = self._refresh_token, None
        if refresh_token is not None:
            try:
                return self._post("refresh", b"", {"Authorization": f"Bearer {refresh_token}"})
            except RefusedError:
                _log.info("the session has ended; signing in again")
        return self._post("login", json.dumps(self._credentials).encode(), {"Content-Type": "application/json"})

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> Token:
        request = Request(f"{self._url}/api/auth/{path}", body, headers)  # noqa: S310 - the scheme was looked at
        try:
            with urlopen(request, timeout=PATIENCE_SECONDS, context=self._tls) as answer:  # noqa: S310 - likewise
                tokens = json.load(answer)
        except HTTPError as error:
            with error:
                if error.code in MAY_HEAL:
                    raise
                raise RefusedError(f"{path}: {_detail(error.read()) or error}") from error
        except URLError as error:
            # By what is behind it the stream tells whether to come back.
            if isinstance(error.reason, OSError):
                raise error.reason from error
            raise
        except HTTPException as error:
            raise OSError(f"half an answer: {error!r}") from error
        self._refresh_token = tokens["refresh_token"]
        return Token(tokens["access_token"], tokens["expires_in"])


def _detail(problem: bytes) -> str:
    """Return what the appliance says was wrong; nothing if the answer is somebody else's."""
    try:
        return str(json.loads(problem)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""

"""Follow the alert stream of an appliance: every event once and in order, across breaks and restarts.

To be copied, together with account.py for those who sign in by a password. Beside Python 3.11 it needs the library
`websockets`, and is tested with its version 17.

    account = Account("https://node.example:8443", "watcher", password, cafile="certificate.pem")
    url = "wss://node.example:8443/ws/whales"
    for message in events(url, account, bookmark=FileBookmark(Path("place.json")), cafile="certificate.pem"):
        print(message["type"], message)

The messages are described in docs/asyncapi.yaml. `resync_required` among them says that events are missing which cannot
be sent again, and `connection` that events may be late (`degraded`), and when no longer (`recovered`).
"""

from __future__ import annotations

import json
import logging
import math
import random
import ssl
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from websockets.sync.client import ClientConnection

_log = logging.getLogger(__name__)

Message = dict[str, Any]

# Of x-close-codes in docs/asyncapi.yaml, those after which nobody should come again; 4401 asks for another token first.
ENDS_FOR_GOOD = frozenset({1009, 4400, 4403})
UNAUTHENTICATED = 4401
# Of HTTP, those after which one may: too slow, too many, and whatever fails inside.
MAY_HEAL = frozenset({408, 429, *range(500, 600)})

PATIENCE_SECONDS = 10.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 60.0
# Of a token's life, after which another one is asked for.
_RENEW_AT_SHARE = 0.8


class RefusedError(Exception):
    """The appliance refuses, and would do so again; the message says why."""


class Filters(TypedDict, total=False):
    """Which whales are wanted, by all of it together; everything that is no whale comes in any case."""

    min_btc: float
    flow_types: list[str]
    min_urgency: float
    statuses: list[str]


@dataclass(frozen=True)
class Token:
    """An access token; `lifetime_seconds` is from now on, and None for one that cannot be renewed."""

    text: str
    lifetime_seconds: float | None = None


@dataclass(frozen=True)
class Position:
    """The last event that was given, and the log that it is of: a restored log has another identity."""

    log_identity: str
    last_event_id: int


class Bookmark(Protocol):
    """Remembers a position across restarts."""

    def read(self) -> Position | None:
        """Return the position to go on from; None begins with what comes from now on."""

    def write(self, position: Position) -> None:
        """Remember that everything up to `position` was dealt with."""


class FileBookmark:
    """A bookmark in a file of its own."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> Position | None:
        """Return what the file holds; None when there is no file yet."""
        return Position(**json.loads(self._file.read_text("utf-8"))) if self._file.exists() else None

    def write(self, position: Position) -> None:
        """Put another file in its place, so that it is never half written."""
        fresh = self._file.with_name(f"{self._file.name}.new")
        fresh.write_text(json.dumps(asdict(position)), "utf-8")
        fresh.replace(self._file)


def events(
    url: str,
    sign_in: Callable[[], Token],
    *,
    filters: Filters | None = None,
    bookmark: Bookmark | None = None,
    cafile: str | None = None,
) -> Generator[Message, None, None]:
    """Yield messages of the stream without end.

    A message counts as dealt with when the next one is asked for: one that a crash cut off comes again.

    Args:
        url: Of the stream, like wss://node.example:8443/ws/whales; on the host itself ws://127.0.0.1:8765/ws/whales.
        sign_in: Gives a new token: an `Account`, or `lambda: Token(text)` for one that you have. When it raises
            OSError, it is asked again later.
        filters: Which whales are wanted; all without it.
        bookmark: Where to begin, and who remembers it; without one, with what comes from now on.
        cafile: Certificates to trust in place of the system's: a copy of the appliance's own, if it is self-signed.

    Raises:
        RefusedError: Coming back would change nothing.
    """
    visitor = _Visitor(url, sign_in, filters or {}, cafile)
    remembered = visitor.position = bookmark.read() if bookmark else None
    with closing(visitor.messages()) as messages:
        for message in messages:
            if _is_for_the_caller(message):
                yield message
            if bookmark and visitor.position and visitor.position != remembered:
                bookmark.write(visitor.position)
                remembered = visitor.position


class _Visitor:
    """Goes to the stream again and again; `position` is that of its last message."""

    def __init__(self, url: str, sign_in: Callable[[], Token], filters: Filters, cafile: str | None) -> None:
        if not url.startswith(("wss://", "ws://")):
            raise ValueError(f"not the address of a stream: {url}")
        self.position: Position | None = None
        self._url = url
        self._sign_in = sign_in
        self._filters = filters
        self._tls = ssl.create_default_context(cafile=cafile) if url.startswith("wss:") else None
        self._token: Token | None = None
        self._renew_at = math.inf
        self._log_identity = ""
        self._is_welcome = False
        self._complaint = ""
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def messages(self) -> Generator[Message, None, None]:
        while True:
            if time.monotonic() >= self._renew_at:
                self._token = None
            is_token_new = self._token is None
            try:
                yield from self._visit()
            except (OSError, WebSocketException) as error:
                if why := self._end_for_good(error, is_token_new=is_token_new):
                    raise RefusedError(why) from error
                self._pause(error)

    def _visit(self) -> Iterator[Message]:
        self._is_welcome, self._complaint = False, ""
        token = self._token or self._new_token()
        with connect(self._url, ssl=self._tls, compression=None, open_timeout=PATIENCE_SECONDS) as connection:
            _say(connection, type="auth", token=token.text)
            while True:
                message = self._next(connection)
                self._note(message)
                if message["type"] == "welcome" and not self._is_welcome:
                    self._is_welcome = True
                    self._subscribe(connection)
                yield message

    def _next(self, connection: ClientConnection) -> Message:
        while True:
            left_seconds = self._renew_at - time.monotonic()
            if left_seconds <= 0:
                self._renew(connection)
                continue
            try:
                message: Message = json.loads(connection.recv(None if left_seconds == math.inf else left_seconds))
            except TimeoutError:
                continue
            return message

    def _new_token(self) -> Token:
        self._token = token = self._sign_in()
        lifetime_seconds = math.inf if token.lifetime_seconds is None else token.lifetime_seconds
        self._renew_at = time.monotonic() + _RENEW_AT_SHARE * lifetime_seconds
        return token

    def _renew(self, connection: ClientConnection) -> None:
        try:
            token = self._new_token()
        except OSError as error:
            # The present one still lasts; when it does not, the connection ends and all begins anew.
            _log.warning("no new token yet: %s", error)
            self._renew_at = time.monotonic() + PATIENCE_SECONDS
        else:
            _say(connection, type="auth", token=token.text)

    def _subscribe(self, connection: ClientConnection) -> None:
        place = asdict(self.position) if self.position else {}
        _say(connection, type="subscribe", filters=self._filters, **place)

    def _note(self, message: Message) -> None:
        if message["type"] == "welcome":
            self._log_identity = message["log_identity"]
            # So that a break before the first event costs none.
            self.position = self.position or _position_of(message)
        elif message["type"] == "error":
            self._complaint = message["message"]
            # The present token still lasts, and its successor could not be looked at.
            if self._is_welcome and message["code"] == "unavailable":
                self._renew_at = time.monotonic() + PATIENCE_SECONDS
        elif message["type"] == "resync_required":
            self._log_identity = message["log_identity"]
            # After an absence that was too long, what can be sent still comes after the old position.
            if message["reason"] != "too_old":
                self.position = _position_of(message)
        elif "event_id" in message:
            self.position = Position(self._log_identity, message["event_id"])
            self._pause_seconds = _FIRST_PAUSE_SECONDS

    def _end_for_good(self, error: Exception, *, is_token_new: bool) -> str:
        """Return why there is no use in coming back; nothing if there is."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"{error.verify_message}: trust a self-signed certificate by a copy of it, as cafile"
        if isinstance(error, InvalidStatus):
            return "" if error.response.status_code in MAY_HEAL else str(error)
        code = error.rcvd.code if isinstance(error, ConnectionClosed) and error.rcvd else None
        # Without a complaint it was the token's way that took too long.
        is_token_refused = code == UNAUTHENTICATED and bool(self._complaint)
        if code in ENDS_FOR_GOOD or (is_token_refused and is_token_new and not self._is_welcome):
            return self._complaint or str(error)
        if code == UNAUTHENTICATED:
            self._token = None
        return ""

    def _pause(self, error: Exception) -> None:
        # Not all clients of a stream that has restarted shall come at the same moment.
        spread = random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        seconds = max(_asked_seconds(error), spread * self._pause_seconds)
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
        _log.warning("the stream is away (%s); again in %.1f s", self._complaint or error, seconds)
        time.sleep(seconds)


def _say(connection: ClientConnection, **message: object) -> None:
    connection.send(json.dumps(message))


def _position_of(message: Message) -> Position:
    return Position(message["log_identity"], message["last_event_id"])


def _is_for_the_caller(message: Message) -> bool:
    """Return whether it is more than an answer to what we said."""
    is_notice = message["type"] == "resync_required" or message.get("status") in {"degraded", "recovered"}
    return is_notice or "event_id" in message


def _asked_seconds(error: Exception) -> float:
    """Return how long an answer of HTTP asks to stay away."""
    answer = error.response if isinstance(error, InvalidStatus) else error
    retry_after = str(getattr(answer, "headers", {}).get("Retry-After", ""))
    return float(retry_after) if retry_after.isdecimal() else 0.0

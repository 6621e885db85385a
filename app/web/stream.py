"""The alert stream: a Flask application that accepts WebSockets and nothing else."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import gevent
from flask import Flask, Response, jsonify, request
from flask_sock import Sock
from werkzeug.exceptions import BadRequest, HTTPException
from wsproto.utilities import RemoteProtocolError

from app.services.log_follower import LogFollower
from app.services.storage import StorageError
from app.web.close_codes import Close
from app.web.stream_admission import Admission
from app.web.stream_connection import Connection
from app.web.stream_hub import Hub
from app.web.stream_limits import StreamLimits

if TYPE_CHECKING:
    from collections.abc import Collection

    from simple_websocket import Server

    from app.services.doorbell import Hearing
    from app.services.event_log import EventLog
    from app.services.stream_access import StreamAccess

_log = logging.getLogger(__name__)
_KEY = "alert-stream"

# `/` is where clients of the earlier system connect.
PATHS = ("/ws/whales", "/")

_STANDARD_LIMITS = StreamLimits()


def create_stream(  # noqa: PLR0913 - one call a process, every value named
    *,
    log: EventLog,
    hearing: Hearing,
    access: StreamAccess,
    trusted_proxies: Collection[str],
    allowed_origins: Collection[str],
    limits: StreamLimits = _STANDARD_LIMITS,
) -> Flask:
    """Return the application, which follows `log` from now on; `hearing` tells when there is something to read."""
    hub = Hub(log, limits.ping_seconds)
    admission = Admission(limits, trusted_proxies, allowed_origins, lambda: len(hub))
    app = Flask(__name__, static_folder=None)
    app.config["SOCK_SERVER_OPTIONS"] = {"thread_class": _NoThread}
    app.extensions[_KEY] = (hub, admission)
    app.register_error_handler(HTTPException, _problem)
    app.register_error_handler(RemoteProtocolError, lambda _: _problem(BadRequest("not a WebSocket handshake")))

    @app.before_request
    def admit() -> None:
        admission.check(request)
        # Compression would cost 117 KB a client; without the offer there is no agreement on it.
        request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)

    def accept(server: Server) -> None:
        Connection(server.sock, server.ws, hub, access, limits).run()

    sock = Sock(app)
    for path in PATHS:
        sock.route(path, endpoint=f"stream {path}")(accept)
    follower = LogFollower(log, hearing, hub)
    follower.step()
    gevent.spawn(follower.run)
    gevent.spawn(_end_what_was_revoked, hub, access, limits.revocation_seconds)
    return app


def close_stream(app: Flask) -> None:
    """Tell every client that the service goes away, and let in no more."""
    hub, admission = app.extensions[_KEY]
    admission.is_stopping = True
    hub.close_all(Close.GOING_AWAY, "the service stops")


class _NoThread:
    """Keeps flask-sock's reader from running: it accepts, but its writes are not safe beside others."""

    name = ""

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        """Take what a thread takes."""

    def start(self) -> None:
        """Start nothing."""


def _end_what_was_revoked(hub: Hub, access: StreamAccess, every_seconds: float) -> None:
    while True:
        gevent.sleep(every_seconds)
        try:
            for connection in access.ended(hub.grants):
                connection.close(Close.UNAUTHENTICATED, "the token or its account was revoked")
        except StorageError:
            # The follower tells everyone; nobody is thrown out for a database that is away.
            continue
        except Exception:  # noqa: BLE001 - revocation must outlive what nobody foresaw
            _log.exception("looking for revoked tokens failed")


def _problem(error: Any) -> Response:  # noqa: ANN401 - Flask types its handlers so
    """Return an HTTP error as problem+json."""
    answer = jsonify(type="about:blank", title=error.name, status=error.code, detail=error.description)
    answer.status_code = error.code
    answer.headers["Content-Type"] = "application/problem+json"
    for name, value in error.get_headers():
        if name != "Content-Type":
            answer.headers[name] = value
    return answer

"""The alert stream: a Flask application that accepts WebSockets and nothing else."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import gevent
from flask import Flask, Response, request
from flask_sock import Sock
from werkzeug.exceptions import NotFound
from wsproto.utilities import RemoteProtocolError

from app.services.log_follower import LogFollower
from app.web.close_codes import Close
from app.web.problems import ProblemError, answer_problems, problem_response
from app.web.proxies import TrustedProxies
from app.web.response_headers import send_headers
from app.web.stream_admission import Admission
from app.web.stream_connection import Connection
from app.web.stream_deadlines import Deadlines
from app.web.stream_entry import Entrance
from app.web.stream_guard import guarded
from app.web.stream_hub import Hub
from app.web.stream_limits import StreamLimits
from app.web.stream_revocation import end_what_was_revoked
from app.web.stream_socket import take_over

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
    deadlines = Deadlines()
    entrance = Entrance(access)
    admission = Admission(limits, allowed_origins, lambda: len(hub))
    app = Flask(__name__, static_folder=None)
    app.config["SOCK_SERVER_OPTIONS"] = {"thread_class": _NoThread}
    app.extensions[_KEY] = (hub, admission, limits.stop_linger_seconds)
    app.wsgi_app = TrustedProxies(app.wsgi_app, trusted_proxies)  # type: ignore[method-assign] # Flask's way
    send_headers(app, allowed_origins)
    _answer_problems(app)

    @app.before_request
    def admit() -> None:
        admission.check(request)
        # Compression would cost 117 KB a client; without the offer there is no agreement on it.
        request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)

    def accept(server: Server) -> None:
        # Whatever flask-sock and gunicorn do when we return, it is not done to the client.
        server.connected = False
        descriptor = take_over(server.sock)
        try:
            connection = Connection(descriptor, hub, entrance, deadlines, limits)
        except Exception:  # noqa: BLE001 - Flask would answer it, and the client expects frames
            _log.exception("a connection failed")
            os.close(descriptor)
            return
        with guarded(connection):
            connection.begin()

    sock = Sock(app)
    for path in PATHS:
        sock.route(path, endpoint=f"stream {path}")(accept)
    follower = LogFollower(log, hearing, hub)
    follower.step()
    gevent.spawn(follower.run)
    gevent.spawn(deadlines.run)
    gevent.spawn(end_what_was_revoked, hub, access, limits.revocation_seconds)
    return app


def close_stream(app: Flask) -> None:
    """Let in no more clients, tell all that are there that the service goes away, and see them off."""
    hub, admission, seconds = app.extensions[_KEY]
    admission.is_stopping = True
    hub.close_all(Close.GOING_AWAY, "the service stops", seconds)


class _NoThread:
    """Keeps flask-sock's reader from running: it accepts, but its writes are not safe beside others."""

    name = ""

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        """Take what a thread takes."""

    def start(self) -> None:
        """Start nothing."""


def _answer_problems(app: Flask) -> None:
    """Make every error before the handshake a problem, as those of the API are."""
    answer_problems(app)

    @app.errorhandler(RemoteProtocolError)
    def no_handshake(_: RemoteProtocolError) -> Response:
        return problem_response(ProblemError(400, "BAD_HANDSHAKE", "This is no handshake of a WebSocket."))

    @app.errorhandler(NotFound)
    def not_found(_: NotFound) -> Response:
        return problem_response(ProblemError(404, "NOT_FOUND", f"The stream is at {PATHS[0]}."))

"""How connections are kept, and answered where the application is not asked; in place of gunicorn's own ways."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import gevent
from gevent.local import local
from gunicorn.http import errors
from gunicorn.workers.ggevent import GeventWorker

from app.web.problems import problem_before_the_application

if TYPE_CHECKING:
    import socket
    from types import TracebackType

_log = logging.getLogger(__name__)

# nginx keeps a connection for 60 s: one that we closed earlier may meet a POST, which it must not repeat.
KEEPALIVE_SECONDS = 75
_FIRST_REQUEST_SECONDS = 10

_REFUSALS = {
    errors.LimitRequestLine: 414,
    errors.ExpectationFailed: 417,
    errors.LimitRequestHeaders: 431,
    errors.UnsupportedTransferCoding: 501,
}
_OUR_FAULTS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName, errors.ConfigurationProblem)


class ConnectionWorker(GeventWorker):  # type: ignore[misc] # gunicorn has no types
    """A gevent worker that is patient with known clients, and whose own errors are problems."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self._connection = local()

    def timeout_ctx(self) -> gevent.Timeout:
        """Wait for the head of a request: patiently, if the connection has brought one before."""
        seconds = getattr(self._connection, "patience_seconds", _FIRST_REQUEST_SECONDS)
        self._connection.patience_seconds = KEEPALIVE_SECONDS
        return gevent.Timeout(seconds, False)  # type: ignore[arg-type] # noqa: FBT003 - its way to raise nothing

    def handle_error(self, _request: object, client: socket.socket, _address: object, error: BaseException) -> None:
        """Answer what never reached the application, or failed outside of it."""
        if not isinstance(error, Exception):
            # The greenlet is told to end.
            return
        status = _status_of(error)
        if status == 500:  # noqa: PLR2004 - HTTP
            _log.error("a connection failed", exc_info=error)
        with suppress(OSError):
            client.sendall(problem_before_the_application(status))


def log_uncaught() -> None:
    """Log what a greenlet of this thread, or a callback of its loop, does not catch; gevent would print it."""
    gevent.get_hub().print_exception = _log_uncaught  # type: ignore[method-assign,assignment] # gevent's way


def _log_uncaught(
    context: object, kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    _log.error("a greenlet failed", exc_info=(kind, error or kind(), traceback), extra={"greenlet": repr(context)})


def _status_of(error: Exception) -> int:
    if isinstance(error, errors.ParseException) and not isinstance(error, _OUR_FAULTS):
        return _REFUSALS.get(type(error), 400)
    return 500

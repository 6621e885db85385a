"""gunicorn, embedded: one gevent worker that serves a Flask application until it is told to stop."""

from __future__ import annotations

import gc
import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from app.web.connections import KEEPALIVE_SECONDS, ConnectionWorker, log_uncaught

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flask import Flask

    from app.services.supervision import Supervisor

_log = logging.getLogger(__name__)

# Together below two seconds, after which gunicorn's master kills the worker.
_STOP_SECONDS = 2
_DRAIN_SECONDS = 1.0
_KILL_SECONDS = 0.3

# How often the worker shows the master and systemd that its loop still turns.
_HEARTBEAT_SECONDS = 1.0
_STUCK_SECONDS = 30


def serve(  # noqa: PLR0913 - one call a process, every value named
    make_app: Callable[[], Flask],
    *,
    host: str,
    port: int,
    name: str,
    supervisor: Supervisor,
    at_stop: Callable[[Flask], None] = lambda _app: None,
    connections: int = 5_000,
) -> NoReturn:
    """Serve an application until SIGTERM, then leave with 0; open connections delay that by a second at most.

    Args:
        make_app: Called in the worker process, so that what it opens is never shared with the master. If it
            fails, so does the whole process, with exit code 1.
        host: Address to listen on.
        port: TCP port to listen on.
        name: Of the service, for the process list and the log.
        supervisor: Told when requests are answered, each second that they still are, and of the end.
        at_stop: Called in the worker, after the port is closed and before open connections are waited for.
        connections: Open at one time; further ones wait to be accepted.
    """
    master = os.getpid()
    # A collection would write to every page that the worker shares with the master, and so copy it.
    gc.collect()
    gc.freeze()
    try:
        _Gunicorn(
            make_app,
            {
                "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
                "proc_name": name,
                "worker_class": _worker(supervisor, at_stop),
                "workers": 1,
                "worker_connections": connections,
                "logger_class": _StandardLogging,
                # Its default place is under $HOME, which the sandbox hides.
                "control_socket_disable": True,
                "graceful_timeout": _STOP_SECONDS,
                "timeout": _STUCK_SECONDS,
                "keepalive": KEEPALIVE_SECONDS,
                # Whom to believe is decided by TRUSTED_PROXIES; gunicorn would ask its own variable, or trust loopback.
                "forwarded_allow_ips": "",
                "secure_scheme_headers": {},
                "reuse_port": False,
            },
        ).run()
    except SystemExit as end:
        # The worker leaves through here as well, and the master needs its very code.
        if os.getpid() != master or not end.code:
            raise
        raise SystemExit(1) from end
    raise SystemExit(0)


class _Gunicorn(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """The application as gunicorn wants it; no command line, file or variable of gunicorn's own is read."""

    def __init__(self, make_app: Callable[[], Flask], options: dict[str, object]) -> None:
        self._make_app = make_app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        """Set the options over gunicorn's defaults."""
        for key, value in self._options.items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        """Return the application; called in the worker."""
        try:
            return self._make_app()
        except SystemExit as end:
            # As an ordinary exit of a worker it would be started again, for ever.
            raise RuntimeError(f"the application left with {end.code} while it was being made") from end


class _StandardLogging(Logger):  # type: ignore[misc] # gunicorn has no types
    """Hands gunicorn's messages to the process's own logging; requests are not logged one by one."""

    def setup(self, cfg: Any) -> None:  # noqa: ANN401 - gunicorn has no types
        """Install no handler, so that each message goes to those of the root logger."""
        self.cfg = cfg
        self.error_log.propagate = True
        # What remains above it: a worker that died, timed out or could not be made.
        self.error_log.setLevel(logging.WARNING)

    def access(self, *_: object) -> None:
        """Log nothing."""


def _worker(supervisor: Supervisor, at_stop: Callable[[Flask], None]) -> type[ConnectionWorker]:
    class Worker(ConnectionWorker):
        """A worker that reports to the supervisor and stops at once when told."""

        def __init__(self, *args: object) -> None:
            super().__init__(*args)
            self._told_to_stop = Event()

        def handle_exit(self, *_: object) -> None:
            """Wake the loop of `run` on SIGTERM."""
            self.alive = False
            gevent.spawn(self._told_to_stop.set)

        def run(self) -> None:
            """Accept connections until told to stop."""
            pool = Pool(self.worker_connections)
            servers = [
                StreamServer(listener, handle=partial(self.handle, listener), spawn=pool) for listener in self.sockets
            ]
            for server in servers:
                server.start()
            _log.info("serving", extra={"service": self.cfg.proc_name, "address": str(self.cfg.address[0])})
            log_uncaught()
            supervisor.ready()
            while self.alive:
                self.notify()
                supervisor.alive()
                self._told_to_stop.wait(_HEARTBEAT_SECONDS)
            supervisor.stopping()
            self._stop(servers, pool)

        def _stop(self, servers: Sequence[StreamServer], pool: Pool) -> None:
            for server in servers:
                server.close()
            at_stop(self.wsgi)
            if not pool.join(timeout=_DRAIN_SECONDS):
                pool.kill(timeout=_KILL_SECONDS)

    return Worker

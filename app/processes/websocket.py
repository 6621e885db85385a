"""utxoracle-websocket.service: the authenticated alert stream."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from app.adapters.database.accounts import DatabaseAccounts, DatabaseRevokedTokens
from app.adapters.database.engine import open_database
from app.adapters.database.events import DatabaseEventLog
from app.adapters.doorbell import UnixHearing
from app.adapters.journal import configure_logging
from app.adapters.sd_notify import Systemd
from app.config import load as configuration
from app.services.stream_access import StreamAccess
from app.services.tokens import TokenVerifier
from app.web.server import serve
from app.web.stream import close_stream, create_stream
from app.web.stream_limits import StreamLimits

if TYPE_CHECKING:
    from flask import Flask

    from app.config.declaration import Settings

NAME = "utxoracle-websocket"

# The health check of this host shakes hands 12 times a minute, the acceptance test once more.
LEAST_CONNECTS_PER_MINUTE = 30

# At one time. Together with the connections that StreamLimits allows they are below LimitNOFILE of the unit.
HANDSHAKES = 1_000


def make_app(settings: Settings, directories: configuration.Directories, limits: StreamLimits) -> Flask:
    """Return the stream on the database and doorbell of this host; called in the worker."""
    database = open_database(configuration.database_url(settings, directories))
    revoked = DatabaseRevokedTokens(database)
    verifier = TokenVerifier(settings.jwt_secret_key, settings.jwt_secret_key_previous, settings.jwt_algorithm, revoked)
    return create_stream(
        log=DatabaseEventLog(database),
        hearing=UnixHearing(directories.doorbell, "websocket"),
        access=StreamAccess(verifier, DatabaseAccounts(database), revoked),
        trusted_proxies=settings.trusted_proxies,
        allowed_origins=settings.allowed_origins,
        limits=limits,
    )


def run(limits: StreamLimits | None = None) -> NoReturn:
    """Serve until told to stop; without usable settings, or a database we can understand, leave with 78."""
    settings = configuration.load_or_exit(os.environ)
    configure_logging(settings.log_level)
    directories = configuration.Directories.of(os.environ)
    connects_per_minute = max(settings.rate_limit_per_minute, LEAST_CONNECTS_PER_MINUTE)
    limits = limits or StreamLimits(connects_per_minute=connects_per_minute)
    serve(
        lambda: make_app(settings, directories, limits),
        host=settings.websocket_host,
        port=settings.websocket_port,
        name=NAME,
        supervisor=Systemd.take_over(os.environ),
        at_stop=close_stream,
        connections=HANDSHAKES,
    )


if __name__ == "__main__":
    sys.exit(run())

"""utxoracle-api.service: REST, dashboard, health and metrics."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import os
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from app.adapters.bitcoind import rpc_client
from app.adapters.bitcoind_rpc_blocks import RpcBlockSource
from app.adapters.database.accounts import DatabaseAccounts, DatabaseRevokedTokens
from app.adapters.database.engine import Database, open_database
from app.adapters.database.events import DatabaseEventLog
from app.adapters.database.heartbeats import DatabaseHeartbeats
from app.adapters.database.mempool_record import DatabaseMempoolRecord
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.journal import configure_logging
from app.adapters.machine import LocalMachine
from app.adapters.own_stream import OwnStream
from app.adapters.passwords import ThreadedPasswordCheck, nobodys_hash
from app.adapters.probes import EsploraProbe, MempoolProbe
from app.adapters.sd_notify import Systemd
from app.config import load as configuration
from app.services.authentication import Authentication
from app.services.detector_report import DetectorView
from app.services.detector_sight import DetectorSight
from app.services.health import HealthMonitor
from app.services.health_checks import CRITICAL, HealthChecks
from app.services.mempool_cross_check import CrossCheck
from app.services.price_view import PriceView
from app.services.wallet_prices import WalletPrices
from app.services.whales.listening import OFF
from app.web.application import WebServices, WebValues, create_app
from app.web.server import serve

if TYPE_CHECKING:
    from flask import Flask

    from app.config.declaration import Settings

NAME = "utxoracle-api"
REFRESH_LIFETIME = timedelta(days=7)

# A check that takes longer has timed out anyway.
_PROBE_SECONDS = 1.5


def health_checks(settings: Settings, directories: configuration.Directories, database: Database) -> HealthChecks:
    """Return what health looks at on this host."""
    node = rpc_client(
        settings.bitcoin_rpc_url,
        settings.bitcoin_rpc_cookie_file,
        settings.bitcoin_rpc_user,
        settings.bitcoin_rpc_password,
        timeout_seconds=(_PROBE_SECONDS, _PROBE_SECONDS),
    )
    return HealthChecks(
        storage=database,
        prices=price_view(database),
        node=RpcBlockSource(node),
        network=settings.bitcoin_network,
        detector=detector_view(settings, database),
        stream=OwnStream(settings.websocket_host, settings.websocket_port, _PROBE_SECONDS),
        electrs=EsploraProbe(settings.electrs_api_url),
        mempool_backend=MempoolProbe(settings.mempool_api_url if settings.exchange_comparison_enabled else None),
        cross_check=cross_check(settings, database),
        machine=LocalMachine(directories.state),
        memory_limit_mb=settings.memory_limit_mb,
    )


def price_view(database: Database) -> PriceView:
    """Return the price history of `database`; this process writes none."""
    return PriceView(DatabasePriceHistory(database, ring=lambda: None), partial(datetime.now, UTC))


def detector_view(settings: Settings, database: Database) -> DetectorView:
    """Return what `database` has of the detector's last word."""
    is_stream_wanted = OFF not in {settings.zmq_rawtx_url, settings.zmq_sequence_url}
    return DetectorView(DatabaseHeartbeats(database), partial(datetime.now, UTC), is_stream_wanted=is_stream_wanted)


def cross_check(settings: Settings, database: Database) -> CrossCheck:
    """Return what compares others with what the detector of `database` sees."""
    sight = DetectorSight(
        detector_view(settings, database), DatabaseMempoolRecord(database), partial(datetime.now, UTC)
    )
    return CrossCheck(sight.now)


def wallet_prices(settings: Settings, database: Database) -> WalletPrices:
    """Return what wallets are told of the price history of `database`."""
    history = DatabasePriceHistory(database, ring=lambda: None)
    return WalletPrices(history, timedelta(seconds=settings.price_max_age_seconds), partial(datetime.now, UTC))


def make_app(settings: Settings, directories: configuration.Directories) -> Flask:
    """Return the application on the database of this host, with its health checked; called in the worker."""
    database = open_database(configuration.database_url(settings, directories))
    revoked = DatabaseRevokedTokens(database)
    monitor = HealthMonitor(health_checks(settings, directories, database).all(), CRITICAL)
    monitor.start()
    return create_app(
        WebValues(
            secret=settings.jwt_secret_key,
            previous_secret=settings.jwt_secret_key_previous,
            algorithm=settings.jwt_algorithm,
            access_lifetime=timedelta(minutes=settings.access_token_expire_minutes),
            refresh_lifetime=REFRESH_LIFETIME,
            requests_per_minute=settings.rate_limit_per_minute,
            trusted_proxies=settings.trusted_proxies,
            allowed_origins=settings.allowed_origins,
            metrics_enabled=settings.metrics_enabled,
            explorer_url=settings.explorer_url,
            wallet_prices_public=settings.wallet_prices_public,
        ),
        WebServices(
            authentication=Authentication(DatabaseAccounts(database), revoked, ThreadedPasswordCheck(), nobodys_hash()),
            revoked=revoked,
            prices=price_view(database),
            wallet_prices=wallet_prices(settings, database),
            log=DatabaseEventLog(database),
            monitor=monitor,
            detector=detector_view(settings, database),
            machine=LocalMachine(directories.state),
        ),
    )


def run() -> NoReturn:
    """Serve until told to stop; without usable settings leave with 78."""
    settings = configuration.load_or_exit(os.environ)
    configure_logging(settings.log_level)
    directories = configuration.Directories.of(os.environ)
    serve(
        partial(make_app, settings, directories),
        host=settings.api_host,
        port=settings.api_port,
        name=NAME,
        supervisor=Systemd.take_over(os.environ),
    )


if __name__ == "__main__":
    sys.exit(run())

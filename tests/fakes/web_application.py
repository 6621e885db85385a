"""The web application in the test's own process, on a real database, with a browser's or a program's view of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import jwt
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.security import check_password_hash, generate_password_hash

from app.adapters.database.accounts import DatabaseAccounts, DatabaseRevokedTokens
from app.adapters.database.engine import Database
from app.adapters.database.events import DatabaseEventLog
from app.adapters.database.heartbeats import DatabaseHeartbeats
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.machine import LocalMachine
from app.domain.price.comparison import PriceComparison, slot_of
from app.services.authentication import Authentication
from app.services.detector_report import DetectorView
from app.services.health import HealthMonitor, Pace
from app.services.health_checks import CRITICAL
from app.services.price_view import PriceView
from app.services.wallet_prices import WalletPrices
from app.web.application import WebServices, WebValues, create_app

SECRET = "a-secret-of-the-tests-that-is-long-enough"  # noqa: S105 - signs nothing outside the tests
PREVIOUS_SECRET = "the-secret-that-was-before-it-long-enough"  # noqa: S105 - as above
PASSWORD = "correct horse battery"  # noqa: S105 - as above
# As strong as the real ones would make every sign-in of the tests take a tenth of a second.
WEAK_HASH = partial(generate_password_hash, method="scrypt:512:8:1")

VALUES: dict[str, Any] = {
    "secret": SECRET,
    "previous_secret": PREVIOUS_SECRET,
    "algorithm": "HS256",
    "access_lifetime": timedelta(minutes=60),
    "refresh_lifetime": timedelta(days=7),
    "requests_per_minute": 100_000,
    "trusted_proxies": ["127.0.0.1"],
    "allowed_origins": ["https://friend.example"],
    "metrics_enabled": True,
    "explorer_url": None,
    "wallet_prices_public": False,
}


def well() -> str:
    return "well"


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class WebApplication:
    """The application on `database`; health is that of `checks`, run by nobody before `monitor.start()`."""

    database: Database
    checks: Mapping[str, Callable[[], str]] = field(
        default_factory=lambda: dict.fromkeys(("database", "schema", "bitcoind", "websocket", "disk"), well)
    )
    values: dict[str, Any] = field(default_factory=dict)
    clock: Callable[[], datetime] = utc_now
    pace: Pace = field(default_factory=lambda: Pace(every_seconds=0.05, timeout_seconds=0.5, first_seconds=5))

    def __post_init__(self) -> None:
        self.accounts = DatabaseAccounts(self.database)
        self.revoked = DatabaseRevokedTokens(self.database)
        self.history = DatabasePriceHistory(self.database, ring=lambda: None)
        self.heartbeats = DatabaseHeartbeats(self.database)
        self.monitor = HealthMonitor(self.checks, CRITICAL, self.pace)
        self.app: Flask = create_app(
            WebValues(**VALUES | self.values),
            WebServices(
                authentication=Authentication(self.accounts, self.revoked, check_password_hash, WEAK_HASH("x")),
                revoked=self.revoked,
                prices=PriceView(self.history, self.clock),
                wallet_prices=WalletPrices(self.history, timedelta(hours=2), self.clock),
                log=DatabaseEventLog(self.database),
                monitor=self.monitor,
                detector=DetectorView(self.heartbeats, self.clock),
                machine=LocalMachine(Path("/")),
            ),
        )

    def add_account(self, username: str = "watcher", role: Any = "viewer") -> None:  # noqa: ANN401 - any role
        self.accounts.create(username, WEAK_HASH(PASSWORD), role)

    def client(self) -> FlaskClient:
        """Return a client that nobody knows."""
        return self.app.test_client()

    def bearer(self, **claims: Any) -> dict[str, str]:  # noqa: ANN401 - of a token
        """Return the headers of a token for `watcher`; `claims` differ from, or add to, the usual ones."""
        return {"Authorization": f"Bearer {self.token(**claims)}"}

    def token(self, secret: str = SECRET, lifetime: timedelta = timedelta(hours=1), **claims: object) -> str:
        now = datetime.now(UTC)
        usual: dict[str, object] = {
            "sub": "watcher",
            "role": "viewer",
            "epoch": 1,
            "jti": f"jti-{now.timestamp()}",
            "type": "access",
            "fresh": False,
            "iat": now - timedelta(seconds=1),
            "nbf": now - timedelta(seconds=1),
            "exp": now + lifetime,
        }
        return jwt.encode(usual | claims, secret, algorithm="HS256")

    def keep(self, *, slots_ago: int = 0, **fields: Any) -> datetime:  # noqa: ANN401 - of a PriceComparison
        """Keep a row of so many slots ago; return its timestamp."""
        now = self.clock()
        timestamp = slot_of(now) - slots_ago * timedelta(minutes=10)
        usual: dict[str, Any] = {
            "utxoracle_price": 101_000.0,
            "exchange_price": 100_000.0,
            "block_height": 900_000,
            "block_hash": "00" * 32,
            "is_valid": True,
        }
        self.history.record(PriceComparison(timestamp=timestamp, **usual | fields), now)
        return timestamp

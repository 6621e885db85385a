"""The application: every part of the web, put together from plain values and services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask

from app.web.api.auth import auth_blueprint
from app.web.api.metrics import metrics_blueprint
from app.web.api.openapi import openapi_blueprint
from app.web.api.prices import prices_blueprint
from app.web.api.wallet_prices import wallet_prices_blueprint
from app.web.caller import authenticate_callers
from app.web.figures import figures_registry
from app.web.health import health_blueprint
from app.web.pages import pages_blueprint
from app.web.problems import answer_problems
from app.web.proxies import TrustedProxies
from app.web.rate_limits import LOGINS_PER_MINUTE, limit_rates
from app.web.request_figures import count_requests
from app.web.response_headers import send_headers
from app.web.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta

    from app.services.accounts import RevokedTokens
    from app.services.authentication import Authentication
    from app.services.detector_report import DetectorView
    from app.services.event_log import EventLog
    from app.services.health import HealthMonitor
    from app.services.health_checks import Machine
    from app.services.price_view import PriceView
    from app.services.wallet_prices import WalletPrices

_MAX_BODY_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class WebValues:
    """Plain values of the application.

    Attributes:
        secret: Signs tokens.
        previous_secret: Signed them before; None when that is long ago.
        algorithm: Of the signature.
        access_lifetime: Of access tokens.
        refresh_lifetime: Of refresh tokens.
        requests_per_minute: That one client may make.
        trusted_proxies: Addresses whose X-Forwarded headers are believed.
        allowed_origins: Whose pages may read answers, besides our own.
        metrics_enabled: Whether /metrics is served.
        explorer_url: Block explorer for links; None without.
        wallet_prices_public: Whether wallets need no token for their prices.
    """

    secret: str
    previous_secret: str | None
    algorithm: str
    access_lifetime: timedelta
    refresh_lifetime: timedelta
    requests_per_minute: int
    trusted_proxies: Collection[str]
    allowed_origins: Collection[str]
    metrics_enabled: bool
    explorer_url: str | None
    wallet_prices_public: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WebServices:
    """What the application asks."""

    authentication: Authentication
    revoked: RevokedTokens
    prices: PriceView
    wallet_prices: WalletPrices
    log: EventLog
    monitor: HealthMonitor
    detector: DetectorView
    machine: Machine


def create_app(values: WebValues, services: WebServices) -> Flask:
    """Return the application; nothing is asked of `services` before the first request."""
    app = Flask("app.web", static_folder="static", template_folder="templates")
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY_BYTES
    app.url_map.strict_slashes = False
    app.wsgi_app = TrustedProxies(app.wsgi_app, values.trusted_proxies)  # type: ignore[method-assign] # Flask's way
    # The order is that in which a request passes them.
    send_headers(app, values.allowed_origins)
    registry = None
    if values.metrics_enabled:
        registry = figures_registry(
            prices=services.prices,
            log=services.log,
            monitor=services.monitor,
            detector=services.detector,
            machine=services.machine,
        )
        app.extensions["utxoracle-figures"] = registry
        count_requests(app, registry)
    limiter = limit_rates(app, values.requests_per_minute)
    authenticate_callers(
        app,
        services.authentication,
        secret=values.secret,
        previous_secret=values.previous_secret,
        algorithm=values.algorithm,
        access_lifetime=values.access_lifetime,
        refresh_lifetime=values.refresh_lifetime,
    )
    answer_problems(app)
    sessions = Sessions(services.revoked, values.access_lifetime, values.refresh_lifetime)
    auth = auth_blueprint(services.authentication, sessions, limiter.limit(f"{LOGINS_PER_MINUTE} per minute"))
    app.register_blueprint(auth)
    app.register_blueprint(prices_blueprint(services.prices))
    app.register_blueprint(wallet_prices_blueprint(services.wallet_prices, public=values.wallet_prices_public))
    app.register_blueprint(health_blueprint(services.monitor))
    app.register_blueprint(metrics_blueprint(registry))
    app.register_blueprint(openapi_blueprint())
    app.register_blueprint(pages_blueprint(values.explorer_url))
    return app

"""Every setting of the appliance, declared once.

`.env.example`, the `.env` that Ansible renders, the settings role's defaults and argument specs and
docs/CONFIGURATION.md are rendered from this declaration by `app.config.render`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, cast

from app.config import addresses, database_address, kinds
from app.config.setting import Declaration, setting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET_MIN_BYTES = 32

# What settings await that have no effect yet.
_DEAD_MAN = "the dead man's switch"
_BACKUP = "backups"
_RETENTION = "the maintenance job"
_WEBHOOKS = "webhooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process, parsed and checked; keys are the field names in capitals."""

    jwt_secret_key: str = setting(
        kinds.text(min_bytes=SECRET_MIN_BYTES),
        None,
        "Signs access tokens. Made on the host when empty, and kept across deploys.",
        secret=True,
        generated=True,
    )
    jwt_secret_key_previous: str | None = setting(
        kinds.optional(kinds.text(min_bytes=SECRET_MIN_BYTES)),
        "",
        "Still accepted while the signing key rotates; empty otherwise.",
        secret=True,
    )
    jwt_algorithm: str = setting(kinds.choice("HS256", "HS384", "HS512"), "HS256", "Algorithm of the token signature.")
    access_token_expire_minutes: int = setting(kinds.integer(1, 1440), "60", "Minutes until an access token expires.")
    database_url: str | None = setting(
        kinds.optional(database_address.database_url()),
        "",
        "SQLAlchemy URL of SQLite or PostgreSQL. Empty: the SQLite file of DATABASE_PATH.",
        secret=True,
    )
    database_path: Path | None = setting(
        kinds.optional(kinds.path()),
        "",
        "SQLite file, when DATABASE_URL is empty. Empty: utxoracle.db in the state directory.",
    )
    api_host: str = setting(addresses.host(), "127.0.0.1", "Address on which the API listens, behind the proxy.")
    api_port: int = setting(kinds.port(), "8001", "Port on which the API listens.")
    websocket_host: str = setting(
        addresses.host(), "127.0.0.1", "Address on which the alert stream listens, behind the proxy."
    )
    websocket_port: int = setting(kinds.port(), "8765", "Port on which the alert stream listens.")
    bitcoin_rpc_url: str = setting(
        addresses.url("use BITCOIN_RPC_USER and BITCOIN_RPC_PASSWORD"),
        "http://127.0.0.1:8332",
        "JSON-RPC and REST of bitcoind, without a path.",
    )
    bitcoin_rpc_cookie_file: Path | None = setting(
        kinds.optional(kinds.path()), "", "Cookie file of bitcoind, instead of user and password."
    )
    bitcoin_rpc_user: str | None = setting(kinds.optional(kinds.text()), "", "User of bitcoind's JSON-RPC.")
    bitcoin_rpc_password: str | None = setting(
        kinds.optional(kinds.text()), "", "Password of bitcoind's JSON-RPC.", secret=True
    )
    bitcoin_network: str = setting(
        kinds.choice("main", "testnet4", "signet", "regtest"),
        "main",
        "Network that bitcoind must be on; checked against the node.",
    )
    zmq_rawtx_url: str = setting(
        addresses.zmq_url(),
        "auto",
        "Where bitcoind publishes transactions. auto asks the node, which preflight wants to publish; off polls.",
    )
    zmq_sequence_url: str = setting(
        addresses.zmq_url(),
        "auto",
        "Where bitcoind publishes changes of the mempool, likewise. Either at off turns both off.",
    )
    mempool_api_url: str = setting(
        addresses.mempool_url(),
        "http://127.0.0.1:8999",
        "Base of the mempool backend; a trailing /api or /api/v1 is taken off.",
    )
    electrs_api_url: str | None = setting(
        kinds.optional(addresses.url()),
        "http://127.0.0.1:3001",
        "Base of electrs' Esplora REST. Empty: there is none.",
    )
    whale_threshold_btc: float = setting(
        kinds.number(0.00001, 21_000_000),
        "100",
        "A transaction that moves this much or more is a whale.",
    )
    confidence_threshold: float = setting(
        kinds.number(0, 1), "0.3", "An estimate with less confidence is stored as invalid."
    )
    min_price_usd: float = setting(
        kinds.number(0.01, 1e9),
        "1000",
        "An estimate below is stored as invalid; an exchange rate below counts as missing.",
    )
    max_price_usd: float = setting(
        kinds.number(0.01, 1e9),
        "10000000",
        "An estimate above is stored as invalid; an exchange rate above counts as missing.",
    )
    price_max_age_seconds: int = setting(
        kinds.integer(60, 604_800), "7200", "An exchange quote older than this counts as missing."
    )
    onchain_window_blocks: int = setting(kinds.integer(1, 2016), "144", "Blocks from which the price is estimated.")
    onchain_min_confirmations: int = setting(
        kinds.integer(1, 100),
        "2",
        "Confirmations that the newest block of the window has; 2 leaves out the tip.",
    )
    exchange_comparison_enabled: bool = setting(kinds.flag(), "true", "Compare the estimate with an exchange rate.")
    rate_sources: tuple[str, ...] = setting(
        kinds.listing(addresses.rate_source()),
        "",
        "Further JSON exchange rates, as name=url#path, comma-separated.",
    )
    public_fallback_enabled: bool = setting(
        kinds.flag(),
        "false",
        "Allow public services when the node's own fail. false: nothing leaves.",
    )
    wallet_prices_public: bool = setting(kinds.flag(), "false", "Serve /api/v1/prices without a token, rate-limited.")
    explorer_url: str | None = setting(
        kinds.optional(addresses.url()), "", "Block explorer that the dashboard links to."
    )
    dead_man_url: str | None = setting(
        kinds.optional(addresses.url()),
        "",
        "Fetched after each good run; its owner alarms on silence.",
        awaits=_DEAD_MAN,
    )
    backup_target: str | None = setting(
        kinds.optional(kinds.text()), "", "Where backups are copied to.", awaits=_BACKUP
    )
    backup_recipient: str | None = setting(
        kinds.optional(kinds.text()), "", "Public key for which backups are encrypted.", awaits=_BACKUP
    )
    divergence_alert_percent: float = setting(
        kinds.number(0.1, 100), "3", "Difference from the exchange at which an event is raised."
    )
    accuracy_warning: float = setting(
        kinds.number(0, 1), "0.75", "Prediction accuracy below which a warning is raised."
    )
    accuracy_critical: float = setting(
        kinds.number(0, 1), "0.70", "Prediction accuracy below which the alarm is critical."
    )
    retention_days: int = setting(
        kinds.integer(1, 36_500),
        "90",
        "Days for which alerts and outcomes are kept; prices are kept for ever.",
        awaits=_RETENTION,
    )
    webhook_enabled: bool = setting(kinds.flag(), "false", "Deliver webhooks.", awaits=_WEBHOOKS)
    webhook_urls: tuple[str, ...] = setting(
        kinds.listing(addresses.url()), "", "Endpoints with which the table is seeded on first start.", awaits=_WEBHOOKS
    )
    webhook_secret: str | None = setting(
        kinds.optional(kinds.text()), "", "Signs webhooks to the seeded endpoints.", secret=True, awaits=_WEBHOOKS
    )
    webhook_max_retries: int = setting(
        kinds.integer(0, 50), "8", "Attempts after the first before giving up.", awaits=_WEBHOOKS
    )
    webhook_allow_private: bool = setting(
        kinds.flag(), "false", "Allow endpoints on private, link-local and loopback addresses.", awaits=_WEBHOOKS
    )
    rate_limit_per_minute: int = setting(
        kinds.integer(1, 100_000), "100", "Requests a minute and client that the API answers."
    )
    trusted_proxies: tuple[str, ...] = setting(
        kinds.listing(addresses.peer()),
        "127.0.0.1",
        "Addresses of proxies whose X-Forwarded-For is believed, comma-separated.",
    )
    allowed_origins: tuple[str, ...] = setting(
        kinds.listing(addresses.origin()), "", "Origins besides our own that browsers may come from."
    )
    metrics_enabled: bool = setting(kinds.flag(), "true", "Serve /metrics.")
    log_level: str = setting(
        kinds.choice("DEBUG", "INFO", "WARNING", "ERROR"),
        "INFO",
        "Least level that is written to the journal.",
    )
    memory_limit_mb: int = setting(
        kinds.integer(64, 65_536),
        "500",
        "Megabytes that a long-running service may use; the detector follows fewer whales when it gets near.",
    )


def declarations() -> Iterator[tuple[str, Declaration]]:
    """Yield each key in capitals with its declaration, in the order of the documentation."""
    for each in fields(Settings):
        yield each.name.upper(), cast("Declaration", each.metadata["declaration"])

"""Every setting of the appliance, declared once.

`.env.example`, the `.env` that Ansible renders, the settings role's defaults and argument specs and
docs/CONFIGURATION.md are rendered from this declaration by `app.config.render`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, cast

from app.config import kinds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET_MIN_BYTES = 32
PLACEHOLDER_PREFIX = "change-me"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is known about one setting.

    Attributes:
        kind: Parses the text of the environment into the typed value, or says what is wrong with it.
        default: The default as text, as it would stand in `.env`; None when there is none.
        meaning: One sentence for operators.
        secret: Never shown; `.env.example` has a placeholder for it, which is refused when left in place.
        generated: Made on the host when the operator gives none.
    """

    kind: kinds.Kind[Any]
    default: str | None
    meaning: str
    secret: bool = False
    generated: bool = False


def _setting(
    kind: kinds.Kind[Any],
    default: str | None,
    meaning: str,
    *,
    secret: bool = False,
    generated: bool = False,
) -> Any:  # noqa: ANN401 - as dataclasses.field, typed as the value it will hold
    declared = Declaration(kind, default, meaning, secret=secret, generated=generated)
    return field(metadata={"declaration": declared})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process, parsed and checked; keys are the field names in capitals."""

    jwt_secret_key: str = _setting(
        kinds.text(min_bytes=SECRET_MIN_BYTES),
        None,
        "Signs access tokens. Made on the host when empty, and kept across deploys.",
        secret=True,
        generated=True,
    )
    jwt_secret_key_previous: str | None = _setting(
        kinds.optional(kinds.text(min_bytes=SECRET_MIN_BYTES)),
        "",
        "Still accepted while the signing key rotates; empty otherwise.",
        secret=True,
    )
    jwt_algorithm: str = _setting(kinds.choice("HS256", "HS384", "HS512"), "HS256", "Algorithm of the token signature.")
    access_token_expire_minutes: int = _setting(kinds.integer(1, 1440), "60", "Minutes until an access token expires.")
    database_url: str | None = _setting(
        kinds.optional(kinds.database_url()),
        "",
        "SQLAlchemy URL of SQLite or PostgreSQL. Empty: the SQLite file of DATABASE_PATH.",
        secret=True,
    )
    database_path: Path | None = _setting(
        kinds.optional(kinds.path()),
        "",
        "SQLite file, when DATABASE_URL is empty. Empty: utxoracle.db in the state directory.",
    )
    api_host: str = _setting(kinds.host(), "127.0.0.1", "Address on which the API listens, behind the proxy.")
    api_port: int = _setting(kinds.port(), "8001", "Port on which the API listens.")
    websocket_host: str = _setting(
        kinds.host(), "127.0.0.1", "Address on which the alert stream listens, behind the proxy."
    )
    websocket_port: int = _setting(kinds.port(), "8765", "Port on which the alert stream listens.")
    bitcoin_rpc_url: str = _setting(
        kinds.url("http", "https"), "http://127.0.0.1:8332", "JSON-RPC and REST of bitcoind, without a path."
    )
    bitcoin_rpc_cookie_file: Path | None = _setting(
        kinds.optional(kinds.path()), "", "Cookie file of bitcoind, instead of user and password."
    )
    bitcoin_rpc_user: str | None = _setting(kinds.optional(kinds.text()), "", "User of bitcoind's JSON-RPC.")
    bitcoin_rpc_password: str | None = _setting(
        kinds.optional(kinds.text()), "", "Password of bitcoind's JSON-RPC.", secret=True
    )
    bitcoin_network: str = _setting(
        kinds.choice("main", "testnet4", "signet", "regtest"),
        "main",
        "Network that bitcoind must be on; checked against the node.",
    )
    zmq_rawtx_url: str = _setting(
        kinds.zmq_url(), "auto", "auto asks the node, an address overrides, off polls instead."
    )
    zmq_sequence_url: str = _setting(
        kinds.zmq_url(), "auto", "auto asks the node, an address overrides, off polls instead."
    )
    mempool_api_url: str = _setting(
        kinds.mempool_url(),
        "http://127.0.0.1:8999",
        "Base of the mempool backend; a trailing /api or /api/v1 is taken off.",
    )
    electrs_api_url: str | None = _setting(
        kinds.optional(kinds.url("http", "https")),
        "http://127.0.0.1:3001",
        "Base of electrs' Esplora REST. Empty: there is none.",
    )
    whale_threshold_btc: float = _setting(
        kinds.number(0.00001, 21_000_000), "100", "A transaction that moves this much or more is a whale."
    )
    confidence_threshold: float = _setting(
        kinds.number(0, 1), "0.3", "An estimate with less confidence is stored as invalid."
    )
    min_price_usd: float = _setting(kinds.number(0.01, 1e9), "1000", "An estimate below is stored as invalid.")
    max_price_usd: float = _setting(kinds.number(0.01, 1e9), "10000000", "An estimate above is stored as invalid.")
    price_max_age_seconds: int = _setting(
        kinds.integer(60, 604_800), "7200", "An exchange quote older than this counts as missing."
    )
    onchain_window_blocks: int = _setting(kinds.integer(1, 2016), "144", "Blocks from which the price is estimated.")
    onchain_min_confirmations: int = _setting(
        kinds.integer(1, 100),
        "2",
        "Confirmations that the newest block of the window has; 2 leaves out the tip.",
    )
    exchange_comparison_enabled: bool = _setting(kinds.flag(), "true", "Compare the estimate with an exchange rate.")
    rate_sources: tuple[str, ...] = _setting(
        kinds.listing(kinds.rate_source()),
        "",
        "Further JSON exchange rates, as name=url#path, comma-separated.",
    )
    public_fallback_enabled: bool = _setting(
        kinds.flag(), "false", "Allow public services when the node's own fail. false: nothing leaves."
    )
    wallet_prices_public: bool = _setting(kinds.flag(), "false", "Serve /api/v1/prices without a token, rate-limited.")
    explorer_url: str | None = _setting(
        kinds.optional(kinds.url("http", "https")), "", "Block explorer that the dashboard links to."
    )
    dead_man_url: str | None = _setting(
        kinds.optional(kinds.url("http", "https")),
        "",
        "Fetched after each good run; its owner alarms on silence.",
    )
    backup_target: str | None = _setting(kinds.optional(kinds.text()), "", "Where backups are copied to.")
    backup_recipient: str | None = _setting(
        kinds.optional(kinds.text()), "", "Public key for which backups are encrypted."
    )
    divergence_alert_percent: float = _setting(
        kinds.number(0.1, 100), "3", "Difference from the exchange at which an event is raised."
    )
    accuracy_warning: float = _setting(
        kinds.number(0, 1), "0.75", "Prediction accuracy below which a warning is raised."
    )
    accuracy_critical: float = _setting(
        kinds.number(0, 1), "0.70", "Prediction accuracy below which the alarm is critical."
    )
    retention_days: int = _setting(
        kinds.integer(1, 36_500),
        "90",
        "Days for which alerts and outcomes are kept; prices are kept for ever.",
    )
    webhook_enabled: bool = _setting(kinds.flag(), "false", "Deliver webhooks.")
    webhook_urls: tuple[str, ...] = _setting(
        kinds.listing(kinds.url("http", "https")),
        "",
        "Endpoints with which the table is seeded on first start.",
    )
    webhook_secret: str | None = _setting(
        kinds.optional(kinds.text()), "", "Signs webhooks to the seeded endpoints.", secret=True
    )
    webhook_max_retries: int = _setting(kinds.integer(0, 50), "8", "Attempts after the first before giving up.")
    webhook_allow_private: bool = _setting(
        kinds.flag(), "false", "Allow endpoints on private, link-local and loopback addresses."
    )
    rate_limit_per_minute: int = _setting(
        kinds.integer(1, 100_000), "100", "Requests a minute and client that the API answers."
    )
    trusted_proxies: tuple[str, ...] = _setting(
        kinds.listing(kinds.host()),
        "127.0.0.1",
        "Proxies whose X-Forwarded-For is believed, comma-separated.",
    )
    allowed_origins: tuple[str, ...] = _setting(
        kinds.listing(kinds.url("http", "https")), "", "Origins besides our own that browsers may come from."
    )
    metrics_enabled: bool = _setting(kinds.flag(), "true", "Serve /metrics.")
    log_level: str = _setting(
        kinds.choice("DEBUG", "INFO", "WARNING", "ERROR"),
        "INFO",
        "Least level that is written to the journal.",
    )
    memory_limit_mb: int = _setting(kinds.integer(64, 65_536), "500", "Megabytes that a long-running service may use.")


def declarations() -> Iterator[tuple[str, Declaration]]:
    """Yield each key in capitals with its declaration, in the order of the documentation."""
    for each in fields(Settings):
        yield each.name.upper(), cast("Declaration", each.metadata["declaration"])

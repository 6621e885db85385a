"""Settings that are sound one by one and cannot be meant together."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


def contradictions(values: Mapping[str, object]) -> list[str]:
    """Return a sentence for each contradiction among `values`, whose keys are fields of `Settings`.

    A value that is missing, because it could not be parsed, contradicts nothing.
    """
    return [
        sentence
        for names, disagree, sentence in _CONTRADICTIONS
        if all(name in values for name in names) and disagree(*(values[name] for name in names))
    ]


def _only_one(one: object, other: object) -> bool:
    return bool(one) != bool(other)


def _both(one: object, other: object) -> bool:
    return bool(one) and bool(other)


def _not_believed(host: str, trusted: Collection[str]) -> bool:
    """Return whether a loopback address is trusted, and not the one from which this host's proxy reaches `host`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    callers = [caller for caller in map(ipaddress.ip_address, trusted) if caller.is_loopback]
    is_near = address.is_loopback or address.is_unspecified
    return is_near and bool(callers) and all(caller.version != address.version for caller in callers)


_NOT_BELIEVED = (
    "TRUSTED_PROXIES lacks the loopback address from which a proxy on this host reaches {0}, so that all clients "
    "would count as one; add ::1 for an IPv6 {0}, 127.0.0.1 for an IPv4 one"
)
_CONTRADICTIONS: tuple[tuple[tuple[str, ...], Callable[..., bool], str], ...] = (
    (
        ("min_price_usd", "max_price_usd"),
        lambda low, high: low >= high,
        "MIN_PRICE_USD is not below MAX_PRICE_USD",
    ),
    (
        ("accuracy_critical", "accuracy_warning"),
        lambda critical, warning: critical > warning,
        "ACCURACY_CRITICAL is above ACCURACY_WARNING",
    ),
    (
        ("bitcoin_rpc_cookie_file", "bitcoin_rpc_user"),
        _both,
        "BITCOIN_RPC_COOKIE_FILE and BITCOIN_RPC_USER are both set; keep one",
    ),
    (
        ("bitcoin_rpc_user", "bitcoin_rpc_password"),
        _only_one,
        "BITCOIN_RPC_USER and BITCOIN_RPC_PASSWORD go together; one is missing",
    ),
    (
        ("database_url", "database_path"),
        _both,
        "DATABASE_URL and DATABASE_PATH are both set; keep one",
    ),
    (
        ("api_host", "api_port", "websocket_host", "websocket_port"),
        lambda api_host, api_port, host, port: (api_host, api_port) == (host, port),
        "API_PORT and WEBSOCKET_PORT are the same on one address",
    ),
    (
        ("rate_sources",),
        lambda sources: len({"mempool", *(each.partition("=")[0] for each in sources)}) <= len(sources),
        "RATE_SOURCES uses a name twice; mempool is the name of the node's own",
    ),
    (("api_host", "trusted_proxies"), _not_believed, _NOT_BELIEVED.format("API_HOST")),
    (("websocket_host", "trusted_proxies"), _not_believed, _NOT_BELIEVED.format("WEBSOCKET_HOST")),
)

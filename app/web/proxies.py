"""Whose word about the client's address, scheme and host is believed."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from flask import request
from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PREFIX")
# What one customer of a network gets: in IPv6 an address costs nothing.
_IPV6_NETWORK_BITS = 64


class TrustedProxies:
    """WSGI middleware: the X-Forwarded headers of `trusted` addresses count, those of others are taken away."""

    def __init__(self, app: WSGIApplication, trusted: Collection[str]) -> None:
        self._app = app
        self._trusted = frozenset(map(_normal, trusted))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, with the client's address in REMOTE_ADDR."""
        if _normal(environ.get("REMOTE_ADDR", "")) in self._trusted:
            hops = self._hops(environ.get("HTTP_X_FORWARDED_FOR", ""))
            return ProxyFix(self._app, x_for=hops, x_proto=1, x_host=1)(environ, start_response)
        for name in _FORWARDED:
            environ.pop(name, None)
        return self._app(environ, start_response)

    def _hops(self, forwarded_for: str) -> int:
        """Return how many entries, from the last, were written by proxies that we trust."""
        addresses = [address.strip() for address in forwarded_for.split(",")]
        hops = 1
        while hops < len(addresses) and _normal(addresses[-hops]) in self._trusted:
            hops += 1
        return hops


def client_address() -> str:
    """Return the address by which a client is counted; for IPv6 its network."""
    parsed = _parsed(request.remote_addr or "")
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(parsed), _IPV6_NETWORK_BITS), strict=False))
    return _normal(request.remote_addr or "")


def is_of_this_host(own_address: str) -> bool:
    """Return whether the client is on this host, which it reached under `own_address`."""
    parsed = _parsed(request.remote_addr or "")
    return parsed is not None and (parsed.is_loopback or parsed == _parsed(own_address))


def _normal(address: str) -> str:
    """Return `address` in the one way to write it; as it is, when it is none."""
    return str(_parsed(address) or address)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return `address`; an IPv4 one as such, although a socket that listens on `::` calls it `::ffff:a.b.c.d`."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed

"""Kinds of settings that say where something is: hosts, URLs, origins."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.config.kinds import Kind

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def host() -> Kind[str]:
    """Return an IP address or a host name."""

    def parse(value: str) -> str:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            if _HOSTNAME.fullmatch(value) is None:
                raise ValueError(f"is {value!r}; expected an IP address or a host name") from None
            return value

    return Kind(parse, "an IP address or a host name")


def peer() -> Kind[str]:
    """Return the IP address of whoever connects; an IPv4 one that is written as IPv6 is made one again."""

    def parse(value: str) -> str:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            raise ValueError(f"is {value!r}; expected an IP address, since callers have no names") from None
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return str(mapped or address)

    return Kind(parse, "an IP address")


def url(instead_of_user: str = "take it out") -> Kind[str]:
    """Return an http or https URL without user and password; a trailing slash is taken off.

    Args:
        instead_of_user: What to do about a user or password, for the sentence that refuses it.
    """
    expects = "a URL such as http://host:port"

    def parse(value: str) -> str:
        parts = _split(value, expects, instead_of_user)
        if parts.scheme not in _DEFAULT_PORTS:
            raise ValueError(f"is not {expects}")
        return value.rstrip("/")

    return Kind(parse, expects)


def mempool_url() -> Kind[str]:
    """Return the base of a mempool backend, whatever part of its prefix was written along."""
    base = url()

    def parse(value: str) -> str:
        return re.sub(r"(/api(/v1)?)+\Z", "", base.parse(value)).rstrip("/")

    return Kind(parse, base.expects)


def origin() -> Kind[str]:
    """Return the origin of a page, written as browsers write it in their header."""
    expects = "an origin such as https://host:port, without a path"

    def parse(value: str) -> str:
        parts = _split(value, expects)
        if parts.scheme not in _DEFAULT_PORTS or parts.path not in {"", "/"} or re.search(r"[?#]", value):
            raise ValueError(f"is not {expects}")
        name = host().parse(parts.hostname or "")
        bracketed = f"[{name}]" if ":" in name else name
        is_default = parts.port in {None, _DEFAULT_PORTS[parts.scheme]}
        return f"{parts.scheme}://{bracketed}" + ("" if is_default else f":{parts.port}")

    return Kind(parse, expects)


def zmq_url() -> Kind[str]:
    """Return auto, off, or the address of a ZMQ publisher."""
    expects = "auto, off, or an address such as tcp://127.0.0.1:28332"

    def parse(value: str) -> str:
        if value in {"auto", "off"} or re.fullmatch(r"ipc:///\S+", value):
            return value
        parts = _split(value, expects)
        if parts.scheme != "tcp" or parts.port is None or value.rpartition(":")[2] != str(parts.port):
            raise ValueError(f"is not {expects}")
        return value

    return Kind(parse, expects)


def rate_source() -> Kind[str]:
    """Return a further exchange rate, as name=url#path of the figure in its JSON."""
    expects = "name=https://host/path#path.to.figure"

    def parse(value: str) -> str:
        found = re.fullmatch(r"[a-z0-9_-]+=(https?://[^\s#]+)#\S+", value)
        if found is None:
            raise ValueError(f"is not {expects}")
        _split(found[1], expects)
        return value

    return Kind(parse, expects)


def _split(value: str, expects: str, instead_of_user: str = "take it out") -> SplitResult:
    """Return the parts of a URL with a sound host and port; no sentence repeats it, since it may hold a secret."""
    parts = _parts(value)
    if parts is None:
        raise ValueError(f"is not {expects}")
    if "@" in parts.netloc:
        raise ValueError(f"has a user or password in it, which messages would show; {instead_of_user}")
    return parts


def _parts(value: str) -> SplitResult | None:
    try:
        parts = urlsplit(value)
        host().parse(parts.hostname or "")
        sound = parts.port != 0 and not any(character < " " or character.isspace() for character in value)
    except ValueError:
        return None
    return parts if sound else None

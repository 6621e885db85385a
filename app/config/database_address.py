"""The kind of DATABASE_URL, judged without the libraries that will connect: a controller has only Python."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from app.config import kinds
from app.config.addresses import host

if TYPE_CHECKING:
    from collections.abc import Iterable

EXPECTS = "sqlite:////absolute/path or postgresql://user:password@host/name"

_SQLITE = {"sqlite", "sqlite+pysqlite"}
_POSTGRESQL = {"postgresql", "postgres", "postgresql+psycopg"}
_AUTHORITY = re.compile(r"(?:[^@]*@)?(?:\[(?P<ipv6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[^@]*))?")

# The options of libpq that may stand after the ?. Not among them: what the URL says already, and what is secret, since
# messages leave out nothing but the password before the host.
OPTIONS: dict[str, kinds.Kind[Any]] = {
    "application_name": kinds.text(),
    "channel_binding": kinds.choice("disable", "prefer", "require"),
    "connect_timeout": kinds.integer(1, 300),
    "gssencmode": kinds.choice("disable", "prefer", "require"),
    "keepalives": kinds.integer(0, 1),
    "keepalives_count": kinds.integer(0, 1000),
    "keepalives_idle": kinds.integer(0, 86_400),
    "keepalives_interval": kinds.integer(0, 86_400),
    "krbsrvname": kinds.text(),
    "load_balance_hosts": kinds.choice("disable", "random"),
    "options": kinds.text(),
    "passfile": kinds.path(),
    "sslcert": kinds.path(),
    "sslcrl": kinds.path(),
    "sslkey": kinds.path(),
    "sslmode": kinds.choice("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslrootcert": kinds.text(),
    "target_session_attrs": kinds.choice("any", "read-write", "primary"),
    "tcp_user_timeout": kinds.integer(0, 86_400_000),
}


def database_url() -> kinds.Kind[str]:
    """Return a SQLAlchemy URL of a database that we support, with the driver that we ship.

    No sentence repeats any of it: where a password ends is not certain in a URL that is malformed.
    """

    def parse(value: str) -> str:
        scheme, separator, rest = value.partition("://")
        if not separator or scheme not in _SQLITE | _POSTGRESQL or not rest:
            raise ValueError(f"is not {EXPECTS}")
        _refuse_unprintable(rest)
        if scheme in _SQLITE:
            _check_file(rest)
            return f"sqlite://{rest}"
        _check_server(rest)
        return f"postgresql+psycopg://{rest}"

    return kinds.Kind(parse, EXPECTS)


def _refuse_unprintable(rest: str) -> None:
    try:
        decoded = unquote(rest, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has a percent-encoded character that is not UTF-8") from None
    if any(character < " " for character in decoded):
        raise ValueError("contains a control character or a line break")


def _check_file(rest: str) -> None:
    if not rest.startswith("//"):
        raise ValueError(
            "is a SQLite URL without an absolute path; expected sqlite:////absolute/path, with four slashes"
        )
    if "?" in rest:
        raise ValueError("has options after a ?, and SQLite takes none here; a ? in the path is written %3F")
    path = unquote(rest[1:])
    if path.endswith("/") or PurePosixPath(path).name in {"", ".."}:
        raise ValueError("names a directory; expected sqlite:////absolute/path of a file")


def _check_server(rest: str) -> None:
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if "#" in rest or rest.count("@") != authority.count("@") or authority.count("@") > 1:
        raise ValueError("has an @, /, ? or # where none belongs; percent-encode it in user and password, as %40 for @")
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise ValueError(f"has no host that can be understood; expected {EXPECTS}")
    # Without a host libpq takes the socket where it is used to be.
    if found["name"] != "":
        _check_host(found["ipv6"] if found["name"] is None else found["name"])
    if found["port"] is not None:
        _check_port(found["port"])
    _check_options(parse_qsl(rest.partition("?")[2], keep_blank_values=True))


def _check_host(name: str) -> None:
    try:
        host().parse(name)
    except ValueError:
        raise ValueError("has no sound host; expected an IP address or a host name after the @") from None


def _check_port(text: str) -> None:
    try:
        kinds.integer(1, 65_535).parse(text)
    except ValueError:
        raise ValueError("has no sound port; expected a whole number from 1 to 65535 after the host") from None


def _check_options(options: Iterable[tuple[str, str]]) -> None:
    seen: set[str] = set()
    for name, text in options:
        if name == "host":
            _check_further_host(text)
            continue
        if name not in OPTIONS or name in seen:
            raise ValueError(f"has an unknown or repeated option after the ?; expected host, {', '.join(OPTIONS)}")
        seen.add(name)
        try:
            OPTIONS[name].read(text)
        except ValueError:
            raise ValueError(f"has a wrong {name} after the ?; expected {OPTIONS[name].expects}") from None


def _check_further_host(text: str) -> None:
    """Check a host of several, or the directory of a socket; SQLAlchemy divides them at colons and commas."""
    if text.startswith("/"):
        if re.search(r"[:,]", text):
            raise ValueError("has a socket's directory with a colon or comma in it, which cannot be told apart")
        return
    name, separator, port = text.partition(":")
    _check_host(name)
    if separator:
        _check_port(port)

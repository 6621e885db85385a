"""Kinds of settings: each turns the text of an environment into a value, or says what would be right."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
U = TypeVar("U")

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """How a setting is parsed.

    Attributes:
        parse: From non-empty text to the value; raises ValueError with what is expected.
        expects: The same expectation as a phrase, for the documents.
        ansible_type: Its type in Ansible's argument specs.
        empty: The value of empty text; `...` when empty text is refused.
        choices: All allowed texts, if they are few.
    """

    parse: Callable[[str], T]
    expects: str
    ansible_type: str = "str"
    empty: object = ...
    choices: tuple[str, ...] = ()

    def read(self, text: str) -> T:
        """Return the value of `text`; raise ValueError with a sentence that says what is expected."""
        if not text:
            if self.empty is ...:
                raise ValueError(f"is empty; expected {self.expects}")
            return self.empty  # type: ignore[return-value] # optional() and listing() set it to a T
        return self.parse(text)


def optional(kind: Kind[T]) -> Kind[T | None]:
    """Return `kind` with None for empty text."""
    return Kind(kind.parse, f"{kind.expects}, or nothing", kind.ansible_type, None, kind.choices)


def listing(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """Return a comma-separated list of `kind`; empty text is an empty list."""

    def parse(text: str) -> tuple[T, ...]:
        return tuple(kind.read(part.strip()) for part in text.split(",") if part.strip())

    return Kind(parse, f"a comma-separated list, each {kind.expects}", "list", ())


def text(min_bytes: int = 1) -> Kind[str]:
    """Return text of at least `min_bytes` bytes in UTF-8, without control characters."""
    expects = "text" if min_bytes == 1 else f"at least {min_bytes} bytes of text"

    def parse(value: str) -> str:
        if any(ord(character) < ord(" ") for character in value):
            raise ValueError("contains a control character or a line break")
        if len(value.encode()) < min_bytes:
            raise ValueError(f"has {len(value.encode())} bytes; expected {expects}")
        return value

    return Kind(parse, expects)


def choice(*choices: str) -> Kind[str]:
    """Return one of a few words."""
    expects = "one of " + ", ".join(choices)

    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"is {value!r}; expected {expects}")
        return value

    return Kind(parse, expects, choices=choices)


def integer(low: int, high: int) -> Kind[int]:
    """Return a whole number from `low` to `high`."""
    return _bounded(int, "a whole number", low, high, "int")


def number(low: float, high: float) -> Kind[float]:
    """Return a number from `low` to `high`."""
    # Ansible's argument specs would turn 100 into 100.0, so decimals travel as text.
    return _bounded(float, "a number", low, high, "str")


def _bounded(to: Callable[[str], U], noun: str, low: float, high: float, ansible_type: str) -> Kind[U]:
    expects = f"{noun} from {low} to {high}"

    def parse(value: str) -> U:
        try:
            parsed = to(value)
        except ValueError:
            raise ValueError(f"is {value!r}; expected {expects}") from None
        as_number = float(parsed)  # type: ignore[arg-type] # to() is int or float
        if not math.isfinite(as_number) or not low <= as_number <= high:
            raise ValueError(f"is {value}; expected {expects}")
        return parsed

    return Kind(parse, expects, ansible_type)


def port() -> Kind[int]:
    """Return a TCP port that an unprivileged process may take."""
    return integer(1024, 65_535)


def flag() -> Kind[bool]:
    """Return true or false; the spellings that YAML and shells produce are all understood."""
    words = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)

    def parse(value: str) -> bool:
        if value.lower() not in words:
            raise ValueError(f"is {value!r}; expected true or false")
        return words[value.lower()]

    return Kind(parse, "true or false", "bool")


def path() -> Kind[Path]:
    """Return an absolute path."""

    def parse(value: str) -> Path:
        if not value.startswith("/"):
            raise ValueError(f"is {value!r}; expected an absolute path, such as /var/lib/utxoracle/file")
        return Path(value)

    return Kind(parse, "an absolute path")


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


def url(*schemes: str) -> Kind[str]:
    """Return a URL with one of `schemes` and a host; a trailing slash is taken off."""
    expects = f"a URL such as {schemes[0]}://host:port"

    def parse(value: str) -> str:
        try:
            parts = urlsplit(value)
            sound = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound = False
        if not sound or any(character.isspace() for character in value):
            # The value is not repeated: a database URL holds a password.
            raise ValueError(f"is not {expects}")
        return value.rstrip("/")

    return Kind(parse, expects)


def mempool_url() -> Kind[str]:
    """Return the base of a mempool backend, whatever part of its prefix was written along."""
    base = url("http", "https")

    def parse(value: str) -> str:
        return re.sub(r"(/api(/v1)?)+\Z", "", base.parse(value)).rstrip("/")

    return Kind(parse, base.expects)


def database_url() -> Kind[str]:
    """Return a SQLAlchemy URL of a database that we support, with the driver that we ship."""
    expects = "sqlite:////absolute/path or postgresql://user:password@host/name"

    def parse(value: str) -> str:
        scheme, separator, rest = value.partition("://")
        if separator and scheme == "sqlite" and rest.startswith("//"):
            return value
        if separator and scheme in {"postgresql", "postgres", "postgresql+psycopg"} and rest:
            return f"postgresql+psycopg://{rest}"
        raise ValueError(f"is not {expects}")

    return Kind(parse, expects)


def zmq_url() -> Kind[str]:
    """Return auto, off, or the address of a ZMQ publisher."""
    expects = "auto, off, or an address such as tcp://127.0.0.1:28332"

    def parse(value: str) -> str:
        if value in {"auto", "off"} or re.fullmatch(r"tcp://[^\s/]+:\d{1,5}|ipc:///\S+", value):
            return value
        raise ValueError(f"is {value!r}; expected {expects}")

    return Kind(parse, expects)


def rate_source() -> Kind[str]:
    """Return a further exchange rate, as name=url#path of the figure in its JSON."""
    expects = "name=https://host/path#path.to.figure"

    def parse(value: str) -> str:
        if re.fullmatch(r"[a-z0-9_-]+=https?://[^\s#]+#\S+", value) is None:
            raise ValueError(f"is {value!r}; expected {expects}")
        return value

    return Kind(parse, expects)

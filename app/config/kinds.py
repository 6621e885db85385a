"""Kinds of settings: each turns the text of an environment into a value, or says what would be right."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
U = TypeVar("U")

_NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?")


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
        _refuse_control_characters(value)
        if len(value.encode()) < min_bytes:
            raise ValueError(f"has {len(value.encode())} bytes; expected {expects}")
        return value

    return Kind(parse, expects)


def _refuse_control_characters(value: str) -> None:
    if any(character < " " for character in value):
        raise ValueError("contains a control character or a line break")


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
            # Python would also take 1_0 and the digits of other alphabets; systemd and nginx would not.
            parsed = to(value if _NUMBER.fullmatch(value) else "")
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
        _refuse_control_characters(value)
        return Path(value)

    return Kind(parse, "an absolute path")

"""One line of a file of labels, read and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from app.domain.whales.addresses import address_of, script_of

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUIRED = ("address", "name", "category")
READ = (*REQUIRED, "source", "source_url", "asserted_at")

_CATEGORY = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_LONGEST_NAME = 100
_LONGEST_URL = 500
_GENESIS = datetime(2009, 1, 3, tzinfo=UTC)
_SHOWN = 60


class KnownAddress(NamedTuple):
    """What one source says of one address; `asserted_at` is when it said so, if it told."""

    address: str
    name: str
    category: str
    source: str
    source_url: str | None
    asserted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Context:
    """What a line does not say itself.

    Attributes:
        network: A value of BITCOIN_NETWORK.
        now: The present.
        source: Who says so, where a line does not tell; None: each must.
        source_url: Where that can be read, for lines without a source of their own.
        asserted_at: When it was said, likewise, as text.
    """

    network: str
    now: datetime
    source: str | None = None
    source_url: str | None = None
    asserted_at: str | None = None


def known_address_of(fields: Mapping[str, Any], context: Context) -> KnownAddress:
    """Return the label that `fields` say, by the names of READ; empty text is no value.

    The address is written as this project writes it, whatever the case in which it was given.

    Raises:
        ValueError: A field is wrong; the message is a sentence about it.
    """
    given = {name: value for name in READ if (value := str(fields.get(name) or "").strip())}
    for name in REQUIRED:
        if name not in given:
            raise ValueError(f"it has no {name}")
    if "source" not in given:
        given = {**_of_context(context), **given}
    if not _CATEGORY.fullmatch(given["category"]):
        raise ValueError(f"category is {given['category']!r:.{_SHOWN}}, and must be a word such as exchange")
    return KnownAddress(
        address=_address(given["address"], context.network),
        name=_text(given, "name"),
        category=given["category"],
        source=_text(given, "source"),
        source_url=_url(given.get("source_url")),
        asserted_at=_moment(given.get("asserted_at"), context.now),
    )


def _of_context(context: Context) -> dict[str, str]:
    if context.source is None:
        raise ValueError("it has no source; say with --source who labels these addresses")
    told = {"source": context.source, "source_url": context.source_url, "asserted_at": context.asserted_at}
    return {name: value for name, value in told.items() if value}


def _address(given: str, network: str) -> str:
    try:
        address = address_of(script_of(given, network), network)
    except ValueError as error:
        raise ValueError(f"{given!r:.{_SHOWN}} is no address: {error}") from None
    assert address is not None  # noqa: S101 - narrows the type: each script of an address has one
    return address


def _text(given: Mapping[str, str], name: str) -> str:
    value = given[name]
    if len(value) > _LONGEST_NAME or not value.isprintable():
        raise ValueError(f"{name} is {value!r:.{_SHOWN}}, and must be a line of up to {_LONGEST_NAME} characters")
    return value


def _url(given: str | None) -> str | None:
    if given is None:
        return None
    try:
        parts = urlsplit(given)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        is_good = False
    if not is_good or len(given) > _LONGEST_URL or not given.isascii() or not given.isprintable() or " " in given:
        raise ValueError(f"source_url is {given!r:.{_SHOWN}}, and must be an address of the web")
    return given


def _moment(given: str | None, now: datetime) -> datetime | None:
    if given is None:
        return None
    try:
        moment = _read(given)
    except (ValueError, OverflowError):
        raise ValueError(f"asserted_at is {given!r:.{_SHOWN}}; give a UTC day, or a time with its offset") from None
    if not _GENESIS <= moment <= now:
        raise ValueError(f"asserted_at is {moment.isoformat()}, and must be from {_GENESIS.date()} to now")
    return moment


def _read(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    except ValueError:
        moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)

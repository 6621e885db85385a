"""Files of prices: CSV with a header, or a JSON object a line."""

from __future__ import annotations

import io
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from app.adapters.csv_lines import csv_lines
from app.adapters.strange_json import NoJsonError, json_of
from app.adapters.unreadable_file import unreadable
from app.services.price_import import Line
from app.services.price_lines import READ, unknown_columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Format = Literal["csv", "jsonl"]

# Fifty years of 10-minute slots; it is held in memory, so that what is imported is what was checked.
_MAX_BYTES = 256 << 20
_DIGEST_SHOWN = 16


class PriceFileError(Exception):
    """The file cannot be used at all; the message says why."""


class TextPriceFile:
    """Answers `app.services.price_import.PriceFile`."""

    def __init__(self, path: Path, how: Format) -> None:
        """Read the file.

        Raises:
            PriceFileError: It cannot be read, or is too large.
        """
        try:
            with path.open("rb") as file:
                self._content = file.read(_MAX_BYTES + 1)
        except OSError as error:
            raise PriceFileError(unreadable(path, error)) from error
        if len(self._content) > _MAX_BYTES:
            raise PriceFileError(f"{path} has more than {_MAX_BYTES} bytes; import it in parts")
        name = "".join(each if each.isprintable() else "?" for each in path.name)
        self.origin = f"{name} sha256:{sha256(self._content).hexdigest()[:_DIGEST_SHOWN]}"
        self._how = how

    def lines(self) -> Iterator[Line]:
        """Yield the lines, but for a header and empty ones."""
        yield from csv_lines(self._text(), _problem_of) if self._how == "csv" else _json_lines(self._content)

    def _text(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BytesIO(self._content), encoding="utf-8-sig", newline="")


def _problem_of(columns: list[str]) -> str | None:
    if not set(columns) & set(READ):
        return f"the first line names no column of ours; it should name some of {', '.join(READ)}"
    if unknown := unknown_columns(columns):
        return f"unknown columns {', '.join(map(repr, unknown))}; those that are read are {', '.join(READ)}"
    if len(set(columns)) < len(columns):
        return "a column is there twice"
    return None


def _json_lines(content: bytes) -> Iterator[Line]:
    for number, raw in enumerate(io.BytesIO(content.removeprefix(b"\xef\xbb\xbf")), start=1):
        if raw.strip():
            yield Line(number, _json_fields(raw))


def _json_fields(raw: bytes) -> dict[str, Any] | ValueError:
    try:
        fields = json_of(raw, dict[str, Any])
    except NoJsonError:
        return ValueError("it is no JSON object")
    if unknown := unknown_columns(fields):
        return ValueError(f"unknown fields {', '.join(map(repr, unknown))}; those that are read are {', '.join(READ)}")
    return fields

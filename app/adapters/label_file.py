"""Files of labels: CSV with a header, read as a stream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.adapters.csv_lines import csv_lines
from app.adapters.unreadable_file import unreadable
from app.services.whales.label_lines import READ, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.services.price_import import Line

# Beside the code, in a checkout as in a release.
SHIPPED = Path(__file__).resolve().parents[1] / "data" / "known_addresses.csv"


class LabelFileError(Exception):
    """The file cannot be used at all; the message says why."""


class CsvLabelFile:
    """Answers `app.services.whales.labelling.LabelFile`; holds one line in memory, however many there are."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self) -> Iterator[Line]:
        """Yield the lines, but for the header and empty ones.

        Raises:
            LabelFileError: The file cannot be read, or only once.
        """
        try:
            if not self._path.is_file():
                raise LabelFileError(f"{self._path} is no file; it is read twice, so that it cannot be a pipe")
            with self._path.open(encoding="utf-8-sig", newline="") as text:
                yield from csv_lines(text, _problem_of)
        except OSError as error:
            raise LabelFileError(unreadable(self._path, error)) from error


def _problem_of(columns: list[str]) -> str | None:
    if missing := [name for name in REQUIRED if name not in columns]:
        return f"the first line must name the columns {', '.join(REQUIRED)}; it lacks {', '.join(missing)}"
    if unknown := [name for name in columns if name not in READ]:
        return f"unknown columns {', '.join(map(repr, unknown))}; those that are read are {', '.join(READ)}"
    if len(set(columns)) < len(columns):
        return "a column is there twice"
    return None

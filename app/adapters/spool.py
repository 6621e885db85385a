"""Rows that wait for the database, each a file of JSON in a directory."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from app.adapters.strange_json import json_of
from app.domain.price.comparison import PriceComparison
from app.services.spooled_history import SpoolError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_log = logging.getLogger(__name__)

# A week of runs. Of what was longer ago a backfill makes all but the exchange rates again.
MOST_FILES = 1000

_WAITING, _NEW, _ASIDE = ".json", ".new", ".aside"


class FileSpool:
    """Answers `app.services.spooled_history.Spool`; the directory is made when it is first needed."""

    def __init__(self, directory: Path, most_files: int = MOST_FILES) -> None:
        self._directory = directory
        self._most_files = most_files

    def put(self, comparison: PriceComparison) -> None:
        """Keep `comparison`: its file is there as a whole or not at all, and outlives a power failure.

        When the spool is full the oldest row makes room.
        """
        file = self._file(comparison)
        if not comparison.is_valid and (earlier := _read(file)) is not None and earlier.is_valid:
            return
        new = file.with_suffix(_NEW)
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            # Of a run that was killed while it wrote one; there is one run at a time.
            for left in self._directory.glob(f"*{_NEW}"):
                left.unlink()
            self._make_room(file)
            _write_safely(new, msgspec.json.encode(comparison))
            new.replace(file)
            _flush(self._directory)
        except OSError as error:
            with suppress(OSError):
                new.unlink()
            raise SpoolError(f"{file} cannot be written ({error.strerror})") from error

    def waiting(self) -> Iterator[PriceComparison]:
        """Yield the rows that wait, by their timestamps; a file that holds none is set aside."""
        for file in self._files():
            comparison = _read(file)
            if comparison is None or self._file(comparison) != file:
                _set_aside(file, "it holds no row, or another than its name says")
            else:
                yield comparison

    def remove(self, comparison: PriceComparison) -> None:
        """Forget the row of that slot and source."""
        file = self._file(comparison)
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise SpoolError(f"{file} cannot be removed ({error.strerror})") from error

    def set_aside(self, comparison: PriceComparison, reason: str) -> None:
        """Keep the row's file under another name, and say so."""
        _set_aside(self._file(comparison), reason)

    def _file(self, comparison: PriceComparison) -> Path:
        # In the order of the names the rows are in the order of time.
        slot = comparison.timestamp.astimezone(UTC)
        return self._directory / f"{slot:%Y%m%dT%H%M%S.%fZ}-{comparison.source}{_WAITING}"

    def _files(self) -> list[Path]:
        try:
            return sorted(file for file in self._directory.iterdir() if file.suffix == _WAITING)
        except FileNotFoundError:
            return []
        except OSError as error:
            _log.error("the spool cannot be read", extra={"reason": str(error)})
            return []

    def _make_room(self, for_file: Path) -> None:
        others = [file for file in self._files() if file != for_file]
        for file in others[: max(0, len(others) - self._most_files + 1)]:
            _log.warning("the spool is full: its oldest row is lost", extra={"file": file.name})
            file.unlink(missing_ok=True)


def _read(file: Path) -> PriceComparison | None:
    try:
        return _comparison(json_of(file.read_bytes(), dict[str, Any]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _comparison(fields: dict[str, Any]) -> PriceComparison:
    """Return the row of `fields`, less what another release knew."""
    known = {name: value for name, value in fields.items() if name in PriceComparison.__dataclass_fields__}
    for name in ("timestamp", "exchange_time"):
        if known[name] is not None:
            known[name] = datetime.fromisoformat(known[name]).astimezone(UTC)
    return PriceComparison(**known)


def _write_safely(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as written:
        written.write(content)
        written.flush()
        os.fsync(descriptor)


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_aside(file: Path, reason: str) -> None:
    aside = file.with_suffix(_ASIDE)
    try:
        file.replace(aside)
    except OSError as error:
        _log.error("a row of the spool can be neither used nor set aside", extra={"reason": f"{reason}; {error}"})
        return
    _log.error("a row of the spool was set aside", extra={"file": str(aside), "reason": reason})

"""The file in which failures of block sources are remembered from one run to the next."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec

from app.adapters.strange_json import NoJsonError, json_of
from app.services.source_breaker import Trouble

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)
# Commands have no log.
_log.addHandler(logging.NullHandler())


class FileMemory:
    """Answers `app.services.source_breaker.Memory` with a JSON file; a run never fails for its sake."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._complained = False

    def load(self) -> dict[str, Trouble]:
        """Return what was saved last; nothing when there is no file, or none that can be read."""
        try:
            return json_of(self._file.read_bytes(), dict[str, Trouble])
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._complain(f"{self._file} cannot be read ({error.strerror})")
        except NoJsonError as error:
            self._complain(f"{self._file} is damaged ({error}), and will be replaced")
        return {}

    def save(self, troubles: Mapping[str, Trouble]) -> None:
        """Replace the file as a whole, so that a reader finds the old one or the new one."""
        new = self._file.with_name(f"{self._file.name}.new")
        try:
            new.write_bytes(msgspec.json.encode({name: asdict(trouble) for name, trouble in troubles.items()}))
            new.replace(self._file)
        except OSError as error:
            self._complain(f"{self._file} cannot be written ({error.strerror})")

    def _complain(self, reason: str) -> None:
        """Say so, once: the disk that is full for one source is full for the next."""
        if not self._complained:
            self._complained = True
            _log.warning("failed sources of blocks are not remembered", extra={"reason": reason})

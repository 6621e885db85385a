"""The file that says from where on a history is looked through for gaps that can be filled."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec

from app.adapters.strange_json import NoJsonError, json_of
from app.services.healing import Healed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger(__name__)


_Aware: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]


class _Mark(msgspec.Struct):
    log_identity: str
    until: _Aware
    looked_until: _Aware | None = None
    waits: bool = False


class FileHealedMark:
    """Answers `app.services.healing.HealedMark`.

    It holds for one event log: a database that was put back from a copy has another, and may lack rows again.
    """

    def __init__(self, file: Path, log_identity: Callable[[], str]) -> None:
        self._file = file
        self._log_identity = log_identity

    def load(self) -> Healed | None:
        """Return the mark; None when there is none that can be read, or it is of another log."""
        try:
            mark = json_of(self._file.read_bytes(), _Mark)
        except (OSError, NoJsonError):
            return None
        return Healed(mark.until, mark.looked_until, mark.waits) if mark.log_identity == self._log_identity() else None

    def save(self, healed: Healed) -> None:
        """Replace the file as a whole."""
        new = self._file.with_name(f"{self._file.name}.new")
        try:
            new.write_bytes(
                msgspec.json.encode(_Mark(self._log_identity(), healed.until, healed.looked_until, healed.waits))
            )
            new.replace(self._file)
        except OSError as error:
            _log.warning("where gaps were filled is not remembered", extra={"reason": str(error)})

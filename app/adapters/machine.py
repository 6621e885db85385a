"""Figures of the machine and of this process: by psutil where it is installed, else from /proc."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

try:
    import psutil as _installed
except ImportError:
    # It is a convenience for machines without /proc; the appliance does not depend on it.
    _psutil: ModuleType | None = None
else:
    _psutil = _installed

_KIB = 1024


class LocalMachine:
    """Answers `app.services.health_checks.Machine`; a sandbox may hide any of the figures."""

    def __init__(self, state_directory: Path) -> None:
        self._state_directory = state_directory

    def process_bytes(self) -> int | None:
        """Return the memory of this process that is resident; None when that cannot be had."""
        if _psutil is not None:
            try:
                return int(_psutil.Process().memory_info().rss)
            except (OSError, _psutil.Error):
                pass
        return _from_proc("self/status", "VmRSS")

    def available_bytes(self) -> int | None:
        """Return the memory that the machine could still give; None when that cannot be had."""
        if _psutil is not None:
            try:
                return int(_psutil.virtual_memory().available)
            except (OSError, _psutil.Error):
                pass
        return _from_proc("meminfo", "MemAvailable")

    def free_disk_bytes(self) -> int | None:
        """Return what we may still write in the state directory; None when that cannot be had."""
        try:
            return shutil.disk_usage(self._state_directory).free
        except OSError:
            return None


def _from_proc(file: str, name: str) -> int | None:
    try:
        text = Path("/proc", file).read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    return None if found is None else int(found[1]) * _KIB

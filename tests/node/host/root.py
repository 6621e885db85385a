"""Commands that only root may run."""

from __future__ import annotations

import os


def as_root(*command: str) -> list[str]:
    """Return `command`, through sudo unless we are root already."""
    return list(command) if os.geteuid() == 0 else ["sudo", *command]

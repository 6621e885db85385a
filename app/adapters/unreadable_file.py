"""Why a file of the operator's cannot be read, and what to do about it."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def unreadable(path: Path, error: OSError) -> str:
    """Return the sentence; root who runs a command may forget that it goes on as the user of the services."""
    if not isinstance(error, PermissionError):
        return f"{path} cannot be read ({error.strerror})"
    return f"{path} cannot be read by the user {_own_name()} ({error.strerror}); put it into /tmp"


def _own_name() -> str:
    user = os.geteuid()
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)

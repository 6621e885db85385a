"""A lock that one run holds, and that the kernel takes back however the run ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class AlreadyRunningError(Exception):
    """Another run holds the lock."""


@contextmanager
def only_run(lock_file: Path) -> Iterator[None]:
    """Hold `lock_file` for the length of the block; raise AlreadyRunningError when another process holds it."""
    descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(f"another run is under way: it holds {lock_file}") from None
        yield
    finally:
        os.close(descriptor)

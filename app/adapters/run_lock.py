"""A lock that one run of a host holds, and that the kernel takes back however the run ends.

It spares the node a second reading of the same blocks. Several hosts on one database may overlap: which of their rows
a slot keeps is decided by `DatabasePriceHistory.record`.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class RunLockError(Exception):
    """The lock cannot be had; the message says why."""


class AlreadyRunningError(RunLockError):
    """Another run holds the lock."""


@contextmanager
def only_run(lock_file: Path) -> Iterator[None]:
    """Hold `lock_file` for the length of the block.

    Raises:
        AlreadyRunningError: Another process holds it.
        RunLockError: The file can be neither opened nor made.
    """
    try:
        descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RunLockError(f"{lock_file} cannot be opened ({error.strerror})") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(f"another run is under way: it holds {lock_file}") from None
        yield
    finally:
        os.close(descriptor)

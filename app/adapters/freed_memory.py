"""Memory that was freed, given back to the machine."""

from __future__ import annotations

import ctypes


def give_back_freed_memory() -> None:
    """Return to the machine what this process does not use; takes well below a millisecond when there is little.

    The C library keeps what a burst of messages needed, 140 MB after 50,000 of them, for as long as the process lives.
    Another one than glibc may have no such call, and then nothing is done.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

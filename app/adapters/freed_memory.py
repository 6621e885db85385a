"""Memory that was freed, given back to the machine."""

from __future__ import annotations

import ctypes

# Of glibc's mallopt.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# An answer with the entries of two hundred transactions is as large, a block ten times and more.
_LARGE_BYTES = 128 * 1024
# That may be left at the end of the heap, since it is given back every few seconds anyhow.
_SPARE_BYTES = 8 * 1024 * 1024


def keep_large_memory_apart() -> None:
    """Let whatever is large have pages of its own, which go back to the machine with it; to be called once.

    The C library does so at first, and stops as soon as it sees that such things come and go. Then a block lies among
    small things that outlive it, and the heap, full of holes, grows with every burst.
    """
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)
    if adjust is not None:
        adjust(_MMAP_THRESHOLD, _LARGE_BYTES)
        adjust(_TRIM_THRESHOLD, _SPARE_BYTES)


def give_back_freed_memory() -> None:
    """Return to the machine what this process does not use; takes well below a millisecond when there is little.

    The C library keeps what a burst of messages needed, 140 MB after 50,000 of them, for as long as the process lives.
    Another one than glibc may have no such call, and then nothing is done.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

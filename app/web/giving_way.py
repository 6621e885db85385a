"""Work of some milliseconds in a process that has thousands of clients to listen to."""

from __future__ import annotations

import gevent

# Not 0: that lets other greenlets run, but gevent looks at no descriptor before it has been called some fifty times.
_NEXT_TO_NOTHING_SECONDS = 1e-9


def give_way() -> None:
    """Let all go first that have something to do, be it since something has come for them meanwhile."""
    gevent.sleep(_NEXT_TO_NOTHING_SECONDS)

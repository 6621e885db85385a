"""A connection to PostgreSQL that notices when nobody answers any more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import TupleRow

if TYPE_CHECKING:
    from collections.abc import Generator


class AttentiveConnection(psycopg.Connection[TupleRow]):
    """Breaks when the server says nothing for `silence_seconds`; None: it may take its time.

    The kernel notices a server that is gone, but not when something in between keeps the connection and loses what is
    sent; nor can the server's own statement_timeout end a wait for a server that never got the statement.
    """

    silence_seconds: float | None = None

    def wait(self, gen: Generator[Any, Any, Any], *options: Any, **more_options: Any) -> Any:  # noqa: ANN401 - psycopg's own
        """Let psycopg drive `gen`, which talks to the server, as long as it is answered."""
        return super().wait(self._while_answered(gen), *options, **more_options)

    def _while_answered(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        heard_at = time.monotonic()
        try:
            waits_for = next(gen)
            while True:
                # After a tenth of a second without anything psycopg says that nothing is ready.
                ready = yield waits_for
                if ready:
                    heard_at = time.monotonic()
                elif self.silence_seconds is not None and time.monotonic() - heard_at > self.silence_seconds:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server has said nothing for {self.silence_seconds:g} s")
                waits_for = gen.send(ready)
        except StopIteration as end:
            return end.value

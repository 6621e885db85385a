"""What becomes of a client when something goes wrong while it is served."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.web import stream_messages as messages
from app.web.close_codes import Close
from app.web.stream_entry import TurnedAwayError, bad_frame
from app.web.stream_socket import BadFrameError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.web.stream_connection import Connection

_log = logging.getLogger(__name__)


@contextmanager
def guarded(connection: Connection) -> Iterator[None]:
    """Make an end of `connection` of whatever goes wrong inside: the client expects frames, and the loop goes on."""
    try:
        yield
    except BadFrameError as error:
        _turn_away(connection, bad_frame(str(error)))
    except TurnedAwayError as refusal:
        _turn_away(connection, refusal)
    except Exception:  # noqa: BLE001 - as above
        give_up(connection)


def give_up(connection: Connection) -> None:
    """Make an end of `connection` for the exception that is being handled, and log it; never fails."""
    _log.exception("serving a client failed")
    try:
        if connection.is_open:
            connection.close(Close.FAILED, "something failed here; connect again")
        else:
            connection.release()
    except Exception:  # noqa: BLE001 - those who call go on with the next client
        _log.exception("ending a connection failed")


def _turn_away(connection: Connection, refusal: TurnedAwayError) -> None:
    connection.send(messages.frame(messages.Error(refusal.code, str(refusal))))
    if refusal.close is not None:
        connection.close(refusal.close, str(refusal))

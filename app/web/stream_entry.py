"""What lets a client in, or why it is turned away."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from app.services.storage import StorageError
from app.services.stream_access import RoleRefusedError
from app.services.tokens import TokenRefusedError
from app.web.close_codes import Close
from app.web.giving_way import Turns

if TYPE_CHECKING:
    from app.services.stream_access import StreamAccess
    from app.services.tokens import Grant
    from app.web.stream_messages import Auth, ErrorCode

# Together with those who read the log, far fewer than the connections to the database that a process may have.
_AT_ONCE = 4


class TurnedAwayError(Exception):
    """The client is refused what it asked for; the message says to the client why.

    Args:
        close: Code of the close frame; None if the connection goes on.
        code: The same for the `error` before it.
        problem: What was wrong.
    """

    def __init__(self, close: Close | None, code: ErrorCode, problem: str) -> None:
        super().__init__(problem)
        self.close = close
        self.code = code


def bad_frame(problem: str) -> TurnedAwayError:
    """Return the refusal of what is no frame, or no message of ours."""
    return TurnedAwayError(Close.BAD_FRAME, "bad_frame", problem)


def unauthenticated(problem: str) -> TurnedAwayError:
    """Return the refusal of one who did not show who it is."""
    return TurnedAwayError(Close.UNAUTHENTICATED, "unauthenticated", problem)


class Entrance:
    """Lets clients in as `access` says, a few at a time, each within `patience_seconds`.

    Thousands who come back at once would take every connection to the database for themselves, those that live events
    are read by included.
    """

    def __init__(self, access: StreamAccess, patience_seconds: float = 10) -> None:
        self._access = access
        self._patience_seconds = patience_seconds
        self._turns = Turns(_AT_ONCE)

    def enter(self, message: Auth, before: Grant | None) -> Grant:
        """Return what `message` allows to a client that had `before`; raise TurnedAwayError."""
        grant = self._grant(message, before)
        if before is not None and before.username != grant.username:
            raise unauthenticated("the token is somebody else's")
        # Thousands of clients have few names between them.
        return replace(grant, username=sys.intern(grant.username), role=sys.intern(grant.role))

    def _grant(self, message: Auth, before: Grant | None) -> Grant:
        try:
            with self._turns.one(self._patience_seconds):
                return self._access.enter(token=message.token, ticket=message.ticket)
        except TokenRefusedError as error:
            raise unauthenticated(str(error)) from error
        except RoleRefusedError as error:
            raise TurnedAwayError(Close.FORBIDDEN, "forbidden", str(error)) from error
        except (StorageError, TimeoutError) as error:
            # What it was let in by still holds.
            close = Close.TRY_LATER if before is None else None
            is_crowd = isinstance(error, TimeoutError)
            reason = "too many want to be let in at once" if is_crowd else "the database is away"
            raise TurnedAwayError(close, "unavailable", f"{reason}; try again later") from error

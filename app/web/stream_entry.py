"""What lets a client in, or why it is turned away."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from app.services.storage import StorageError
from app.services.stream_access import RoleRefusedError
from app.services.tokens import TokenRefusedError
from app.web.close_codes import Close

if TYPE_CHECKING:
    from app.services.stream_access import StreamAccess
    from app.services.tokens import Grant
    from app.web.stream_messages import Auth, ErrorCode


class TurnedAwayError(Exception):
    """The connection ends for what the client sent; the message says to the client what was wrong.

    Args:
        close: Code of the close frame.
        code: The same for the `error` before it.
        problem: What was wrong.
    """

    def __init__(self, close: Close, code: ErrorCode, problem: str) -> None:
        super().__init__(problem)
        self.close = close
        self.code = code


def bad_frame(problem: str) -> TurnedAwayError:
    """Return the refusal of what is no frame, or no message of ours."""
    return TurnedAwayError(Close.BAD_FRAME, "bad_frame", problem)


def unauthenticated(problem: str) -> TurnedAwayError:
    """Return the refusal of one who did not show who it is."""
    return TurnedAwayError(Close.UNAUTHENTICATED, "unauthenticated", problem)


def entry(access: StreamAccess, message: Auth, before: Grant | None) -> Grant:
    """Return what `message` allows to a client that had `before`; raise TurnedAwayError."""
    try:
        grant = access.enter(token=message.token, ticket=message.ticket)
    except TokenRefusedError as error:
        raise unauthenticated(str(error)) from error
    except RoleRefusedError as error:
        raise TurnedAwayError(Close.FORBIDDEN, "forbidden", str(error)) from error
    except StorageError as error:
        raise TurnedAwayError(Close.TRY_LATER, "unavailable", "the database is away; try again later") from error
    if before is not None and before.username != grant.username:
        raise unauthenticated("the token is somebody else's")
    # Thousands of clients have few names between them.
    return replace(grant, username=sys.intern(grant.username), role=sys.intern(grant.role))

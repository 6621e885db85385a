"""Why the alert stream closes a connection."""

from __future__ import annotations

from enum import IntEnum


class Close(IntEnum):
    """Codes of the close frame; from 4400 on they are our own, after the HTTP status of the same meaning."""

    GOING_AWAY = 1001
    TOO_BIG = 1009
    FAILED = 1011
    TRY_LATER = 1013
    BAD_FRAME = 4400
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    SILENT = 4408
    SLOW = 4409
    RATE = 4429

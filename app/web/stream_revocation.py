"""Ending connections whose token, session or account was taken back."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

import gevent

from app.services.storage import StorageError
from app.web.close_codes import Close

if TYPE_CHECKING:
    from app.services.stream_access import StreamAccess
    from app.web.stream_hub import Hub

_log = logging.getLogger(__name__)

# All revoked tokens are read now and then, those of late each time: a revocation is written some time after the
# moment that it carries, and that may be of another host's clock.
_ALL_SECONDS = 60.0
_LATE = timedelta(minutes=5)
_EVER = datetime.min.replace(tzinfo=UTC)


def end_what_was_revoked(hub: Hub, access: StreamAccess, every_seconds: float) -> NoReturn:
    """Look for such connections, for ever."""
    all_at = 0.0
    while True:
        gevent.sleep(every_seconds)
        is_all_due = time.monotonic() >= all_at
        try:
            _end_revoked(hub, access, _EVER if is_all_due else datetime.now(UTC) - _LATE)
        except StorageError:
            # The follower tells everyone; nobody is thrown out for a database that is away.
            continue
        except Exception:  # noqa: BLE001 - revocation must outlive what nobody foresaw
            _log.exception("looking for revoked tokens failed")
        if is_all_due:
            all_at = time.monotonic() + _ALL_SECONDS


def _end_revoked(hub: Hub, access: StreamAccess, since: datetime) -> None:
    looked_at = dict(hub.grants)
    for connection in access.ended(list(looked_at.items()), since):
        # It may have authenticated again while we looked.
        if hub.grant_of(connection) is looked_at[connection]:
            connection.close(Close.UNAUTHENTICATED, "the token or its account was revoked")

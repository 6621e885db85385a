"""Ending connections whose token, session or account was taken back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NoReturn

import gevent

from app.services.storage import StorageError
from app.web.close_codes import Close

if TYPE_CHECKING:
    from app.services.stream_access import StreamAccess
    from app.web.stream_hub import Hub

_log = logging.getLogger(__name__)

# Clients that are looked at in one go.
_BATCH = 500


def end_what_was_revoked(hub: Hub, access: StreamAccess, every_seconds: float) -> NoReturn:
    """Look for such connections, for ever."""
    while True:
        gevent.sleep(every_seconds)
        try:
            _end_revoked_now(hub, access)
        except StorageError:
            # The follower tells everyone; nobody is thrown out for a database that is away.
            continue
        except Exception:  # noqa: BLE001 - revocation must outlive what nobody foresaw
            _log.exception("looking for revoked tokens failed")


def _end_revoked_now(hub: Hub, access: StreamAccess) -> None:
    grants = hub.grants
    for start in range(0, len(grants), _BATCH):
        looked_at = dict(grants[start : start + _BATCH])
        for connection in access.ended(list(looked_at.items())):
            # It may have authenticated again while we looked.
            if hub.grant_of(connection) is looked_at[connection]:
                connection.close(Close.UNAUTHENTICATED, "the token or its account was revoked")
        # Thousands are looked at, and their alerts must not wait for that.
        gevent.sleep(0)

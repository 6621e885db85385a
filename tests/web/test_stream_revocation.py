"""Looking for what was taken back: cheap for thousands of clients, and never at one that is leaving."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from app.adapters.database.accounts import DatabaseAccounts, DatabaseRevokedTokens
from app.adapters.database.events import DatabaseEventLog
from app.services.stream_access import StreamAccess
from app.services.tokens import Grant, TokenVerifier
from app.web.close_codes import Close
from app.web.stream_connection import Connection
from app.web.stream_deadlines import Deadlines
from app.web.stream_entry import Entrance
from app.web.stream_hub import Hub
from app.web.stream_limits import StreamLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.adapters.database.engine import Database

EVER = datetime.min.replace(tzinfo=UTC)
LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def revoked(sqlite_database: Database) -> DatabaseRevokedTokens:
    return DatabaseRevokedTokens(sqlite_database)


@pytest.fixture
def access(sqlite_database: Database, revoked: DatabaseRevokedTokens) -> StreamAccess:
    accounts = DatabaseAccounts(sqlite_database)
    accounts.create("watcher", "no password", "viewer")
    return StreamAccess(TokenVerifier("x" * 32, None, "HS256", revoked), accounts, revoked)


@pytest.fixture
def client() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection: ours and the client's."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as theirs,
        server.accept()[0] as ours,
    ):
        ours.settimeout(0)
        yield ours, theirs


def grant(*token_ids: str, username: str = "watcher", session_epoch: int = 1) -> Grant:
    return Grant(username, "viewer", frozenset(token_ids), LATER, session_epoch)


def test_one_revoked_token_among_500_clients_costs_no_query_for_each(
    access: StreamAccess, revoked: DatabaseRevokedTokens, sqlite_database: Database
) -> None:
    revoked.revoke("jti-7", LATER)
    revoked.revoke("family-9", LATER)
    queries = []
    event.listen(sqlite_database.engine, "before_cursor_execute", lambda *told: queries.append(told[2]))
    ended = access.ended([(number, grant(f"jti-{number}", f"family-{number}")) for number in range(500)], EVER)
    assert sorted(ended) == [7, 9]
    assert len([query for query in queries if query.startswith("SELECT")]) == 2


def test_grants_of_an_ended_session_or_of_nobody_are_ended(access: StreamAccess) -> None:
    grants = {"former": grant(session_epoch=0), "nobody": grant(username="nobody"), "present": grant()}
    assert sorted(access.ended(list(grants.items()), EVER)) == ["former", "nobody"]


def test_a_closing_connection_is_not_looked_at_again(
    access: StreamAccess, sqlite_database: Database, client: tuple[socket.socket, socket.socket]
) -> None:
    hub = Hub(DatabaseEventLog(sqlite_database), heartbeat_seconds=30)
    connection = Connection(client[0].detach(), hub, Entrance(access), Deadlines(), StreamLimits(linger_seconds=0))
    connection.begin()
    hub.welcome(connection, grant())
    assert hub.grants == [(connection, grant())]
    connection.close(Close.UNAUTHENTICATED, "the token was revoked")
    assert hub.grants == []
    assert len(hub) == 1
    connection.look(time.monotonic())
    assert len(hub) == 0

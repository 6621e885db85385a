from __future__ import annotations

import json
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from wsproto.events import TextMessage
from wsproto.frame_protocol import FrameProtocol

from tests.fakes.raw_stream_client import RawStreamClient
from tests.fakes.stream_client import StreamClient, connected, joined
from tests.fakes.stream_service import PREVIOUS_SECRET, StreamService, running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamService]:
    with running(StreamService(tmp_path_factory.mktemp("authentication"))) as service:
        yield service


@pytest.fixture
def client(service: StreamService) -> Iterator[StreamClient]:
    with connected(service) as client:
        yield client


def refusal(client: StreamClient, **first: object) -> tuple[str, int]:
    client.send(type="auth", **first)
    messages, code = client.ending()
    assert [each["type"] for each in messages] == ["error"]
    return str(messages[0]["message"]), code


def test_a_token_is_welcomed_with_all_that_a_client_needs_to_come_back(
    service: StreamService, client: StreamClient
) -> None:
    (newest_id,) = service.append(1.0)
    with joined(service, last_event_id=newest_id - 1) as witness:
        witness.events(1)
    lifetime = timedelta(minutes=10)
    welcome = client.authenticate(service.token(lifetime=lifetime))
    assert welcome["protocol"] == 1
    assert welcome["heartbeat_seconds"] == 30
    assert welcome["last_event_id"] == newest_id
    assert welcome["log_identity"]
    expires_at = datetime.fromisoformat(welcome["token_expires_at"])
    assert abs(expires_at - (datetime.now(UTC) + lifetime)) < timedelta(seconds=10)


def test_a_token_of_the_secret_before_the_rotation_is_welcome(service: StreamService, client: StreamClient) -> None:
    client.authenticate(service.token(secret=PREVIOUS_SECRET))


@pytest.mark.parametrize(
    "claims",
    [
        {"secret": "somebody else's secret, and long enough"},
        {"lifetime": timedelta(seconds=-1)},
        {"type": "refresh"},
        {"purpose": "stream"},
        {"purpose": "anything"},
        {"sub": "nobody"},
        {"role": None},
        {"jti": None},
        {"nbf": datetime.now(UTC) + timedelta(hours=1)},
    ],
    ids=str,
)
def test_a_token_that_proves_nothing_closes_with_4401(
    service: StreamService, client: StreamClient, claims: dict[str, Any]
) -> None:
    assert refusal(client, token=service.token(**claims))[1] == 4401


@pytest.mark.parametrize("token", ["x", "a.b.c", "..", "\u2603", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3YXRjaGVyIn0."])
def test_what_is_no_token_at_all_closes_with_4401(client: StreamClient, token: str) -> None:
    assert refusal(client, token=token)[1] == 4401


def test_a_role_without_access_closes_with_4403(service: StreamService, client: StreamClient) -> None:
    message, code = refusal(client, token=service.token(role="machine"))
    assert code == 4403
    assert "machine" in message


def test_a_disabled_account_closes_with_4401(service: StreamService, client: StreamClient) -> None:
    service.accounts.create("gone", "no password", "viewer")
    service.accounts.set_active("gone", is_active=False)
    assert refusal(client, token=service.token(sub="gone"))[1] == 4401


def test_anything_else_before_authentication_closes_with_4401(client: StreamClient) -> None:
    client.send(type="subscribe")
    assert client.close_code() == 4401


def test_nothing_within_five_seconds_closes_with_4401(client: StreamClient) -> None:
    began = time.monotonic()
    assert client.close_code() == 4401
    assert 4 < time.monotonic() - began < 7


def test_a_ticket_opens_one_connection_and_no_second(service: StreamService) -> None:
    ticket = service.token(purpose="stream", lifetime=timedelta(seconds=60))
    with connected(service) as first:
        first.send(type="auth", ticket=ticket)
        assert first.receive()["type"] == "welcome"
        with connected(service) as second:
            message, code = refusal(second, ticket=ticket)
        assert code == 4401
        assert "used" in message
        first.send(type="ping")
        assert first.receive() == {"type": "pong"}


def test_a_ticket_among_many_at_once_opens_exactly_one_connection(service: StreamService) -> None:
    ticket = service.token(purpose="stream")
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(service)) for _ in range(10)]
        for client in clients:
            client.send(type="auth", ticket=ticket)
        answers = [client.receive()["type"] for client in clients]
    assert sorted(answers) == ["error"] * 9 + ["welcome"]


def test_a_connection_by_ticket_lasts_as_long_as_the_session_behind_it(
    service: StreamService, client: StreamClient
) -> None:
    session_end = int((datetime.now(UTC) + timedelta(minutes=30)).timestamp())
    ticket = service.token(
        purpose="stream", lifetime=timedelta(seconds=60), session_exp=session_end, session_jti="its-session"
    )
    client.send(type="auth", ticket=ticket)
    welcome = client.receive()
    assert datetime.fromisoformat(welcome["token_expires_at"]).timestamp() == session_end
    service.revoked.revoke("its-session", datetime.now(UTC) + timedelta(minutes=30))
    assert client.close_code() == 4401


def test_an_access_token_is_no_ticket(service: StreamService, client: StreamClient) -> None:
    assert refusal(client, ticket=service.token())[1] == 4401


def test_token_and_ticket_together_are_a_bad_frame(service: StreamService, client: StreamClient) -> None:
    message, code = refusal(client, token=service.token(), ticket=service.token())
    assert code == 4400
    assert "either" in message


def test_expiry_ends_a_running_connection_at_once(service: StreamService, client: StreamClient) -> None:
    expires_at = int(time.time()) + 2
    client.authenticate(service.token(exp=expires_at))
    assert client.close_code() == 4401
    assert 0 <= time.time() - expires_at < 0.5


def test_authenticating_again_renews_in_place(service: StreamService) -> None:
    with connected(service) as client:
        expires_at = int(time.time()) + 2
        client.authenticate(service.token(exp=expires_at))
        client.subscribe()
        renewed = client.authenticate(service.token())
        assert datetime.fromisoformat(renewed["token_expires_at"]).timestamp() > expires_at + 3000
        with pytest.raises(TimeoutError):
            client.receive(expires_at + 0.5 - time.time())
        (event_id,) = service.append(1.0)
        assert client.events(1) == [event_id]


def test_renewing_with_a_token_of_somebody_else_closes_with_4401(service: StreamService, client: StreamClient) -> None:
    service.accounts.create("other", "no password", "viewer")
    client.authenticate(service.token())
    assert refusal(client, token=service.token(sub="other"))[1] == 4401


def test_revoking_a_token_ends_its_connection_within_a_second_and_no_other(service: StreamService) -> None:
    with connected(service) as condemned, connected(service) as other:
        condemned.authenticate(service.token(jti="condemned"))
        other.authenticate(service.token())
        revoked_at = time.monotonic()
        service.revoked.revoke("condemned", datetime.now(UTC) + timedelta(hours=1))
        assert condemned.close_code() == 4401
        assert time.monotonic() - revoked_at < 1
        other.send(type="ping")
        assert other.receive() == {"type": "pong"}


def test_a_revoked_token_does_not_come_in_again(service: StreamService, client: StreamClient) -> None:
    service.revoked.revoke("taken-back", datetime.now(UTC) + timedelta(hours=1))
    message, code = refusal(client, token=service.token(jti="taken-back"))
    assert code == 4401
    assert "revoked" in message


def test_disabling_an_account_ends_its_connections_within_a_second(
    service: StreamService, client: StreamClient
) -> None:
    service.accounts.create("leaver", "no password", "operator")
    client.authenticate(service.token(sub="leaver", role="operator"))
    disabled_at = time.monotonic()
    service.accounts.set_active("leaver", is_active=False)
    assert client.close_code() == 4401
    assert time.monotonic() - disabled_at < 1


def test_ending_the_sessions_of_an_account_ends_its_connections_within_a_second(
    service: StreamService, client: StreamClient
) -> None:
    service.accounts.create("careful", "no password", "viewer")
    token = service.token(sub="careful")
    client.authenticate(token)
    ended_at = time.monotonic()
    service.accounts.set_password("careful", "another")
    assert client.close_code() == 4401
    assert time.monotonic() - ended_at < 1
    with connected(service) as again:
        message, code = refusal(again, token=token)
    assert code == 4401
    assert "sign in again" in message
    with connected(service) as renewed:
        renewed.authenticate(service.token(sub="careful", epoch=2))


def test_what_comes_while_the_database_is_asked_waits_for_the_answer(service: StreamService) -> None:
    with RawStreamClient(service) as client:
        framing = FrameProtocol(client=True, extensions=[])
        said = [{"type": "auth", "token": service.token()}, {"type": "ping"}, {"type": "subscribe"}, {"type": "ping"}]
        client.socket.sendall(b"".join(bytes(framing.send_data(json.dumps(each))) for each in said))
        answers = [client.next() for _ in said]
        assert all(isinstance(each, TextMessage) for each in answers)
        kinds = [json.loads(each.data)["type"] for each in answers if isinstance(each, TextMessage)]
        assert kinds == ["welcome", "pong", "connection", "pong"]


def test_a_token_that_came_in_time_is_not_late_however_long_the_database_takes(tmp_path: Path) -> None:
    slow = (
        "import gevent; from app.services.stream_access import StreamAccess; enter = StreamAccess.enter; "
        "StreamAccess.enter = lambda *given, **named: gevent.sleep(1) or enter(*given, **named)"
    )
    with running(StreamService(tmp_path, limits_json='{"auth_seconds": 0.3}', sabotage=slow)) as service:
        with connected(service) as patient:
            patient.authenticate(service.token())
            patient.send(type="ping")
            assert patient.receive() == {"type": "pong"}
        with connected(service) as silent:
            assert silent.close_code() == 4401

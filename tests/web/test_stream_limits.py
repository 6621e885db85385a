from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import requests
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from wsproto.events import CloseConnection, Ping, TextMessage

from tests.fakes.raw_stream_client import RawStreamClient
from tests.fakes.stream_client import connected, joined
from tests.fakes.stream_service import StreamService, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamService]:
    allowed = {"ALLOWED_ORIGINS": "https://wallet.example,https://node.example:8443"}
    with running(StreamService(tmp_path_factory.mktemp("limits"), environ=allowed)) as service:
        yield service


@pytest.fixture
def hurried(tmp_path: Path) -> Iterator[StreamService]:
    """A service that pings five times a second, and gives up on clients after 0.6 s of silence."""
    with running(StreamService(tmp_path, limits_json='{"ping_seconds": 0.2, "silence_seconds": 0.6}')) as service:
        yield service


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ping",
        "[]",
        "null",
        '{"type": "shout"}',
        '{"type": "ping", "louder": true}',
        '{"type": "subscribe", "last_event_id": -1}',
        '{"type": "subscribe", "last_event_id": "1"}',
        '{"type": "subscribe", "last_event_id": 99999999999999999999}',
        '{"type": "subscribe", "filters": {"min_btc": -5}}',
        '{"type": "subscribe", "filters": {"min_urgency": 1.5}}',
        '{"type": "subscribe", "filters": {"flow_types": ["sideways"]}}',
        '{"type": "auth"}',
    ],
)
def test_what_is_no_message_of_ours_closes_with_4400_and_says_why(service: StreamService, text: str) -> None:
    with connected(service) as client:
        client.authenticate(service.token())
        client.connection.send(text)
        messages, code = client.ending()
    assert code == 4400
    assert [each["code"] for each in messages] == ["bad_frame"]
    assert messages[0]["message"]


def test_a_binary_message_closes_with_4400(service: StreamService) -> None:
    with connected(service) as client:
        client.authenticate(service.token())
        client.connection.send(b'{"type": "ping"}')
        assert client.close_code() == 4400


def test_a_message_over_8_kib_closes_with_1009_and_one_of_8_kib_does_not(service: StreamService) -> None:
    with connected(service) as client:
        client.authenticate(service.token())
        client.connection.send('{"type": "ping"}'.ljust(8192))
        assert client.receive() == {"type": "pong"}
        client.connection.send('{"type": "ping"}'.ljust(8193))
        assert client.close_code() == 1009


def test_a_message_in_fragments_is_bounded_like_any_other(service: StreamService) -> None:
    with RawStreamClient(service, service.token()) as client:
        client.frame('{"type": '.ljust(8000), fin=False)
        client.frame(" " * 8000, fin=False)
        assert client.close_code() == 1009


def test_a_huge_message_reads_its_close_code_although_it_is_still_being_sent(service: StreamService) -> None:
    with connected(service) as client:
        client.authenticate(service.token())
        client.connection.send("x" * 1_000_000)
        assert client.close_code() == 1009


def test_bytes_that_are_no_frames_close_with_1002(service: StreamService) -> None:
    with RawStreamClient(service, service.token()) as client:
        client.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.close_code() == 1002


def test_text_that_is_not_utf_8_closes_with_1007(service: StreamService) -> None:
    with RawStreamClient(service, service.token()) as client:
        client.socket.sendall(b"\x81\x82\x00\x00\x00\x00\xff\xfe")
        assert client.close_code() == 1007


def test_a_burst_of_40_messages_is_answered_and_the_next_closes_with_4429(service: StreamService) -> None:
    with connected(service) as client:
        client.authenticate(service.token())
        for _ in range(60):
            client.send(type="ping")
        messages, code = client.ending()
    assert code == 4429
    assert 39 <= len(messages) <= 45
    assert {each["type"] for each in messages} == {"pong"}


def test_20_messages_a_second_are_never_too_many(service: StreamService) -> None:
    with connected(service) as client:
        client.authenticate(service.token())
        for _ in range(60):
            client.send(type="ping")
            assert client.receive() == {"type": "pong"}
            time.sleep(1 / 20)


def test_a_flood_of_pings_or_empty_fragments_counts_as_messages(service: StreamService) -> None:
    with RawStreamClient(service, service.token()) as pinging, RawStreamClient(service, service.token()) as splitting:
        for _ in range(60):
            pinging.ping()
            splitting.frame("", fin=False)
        assert pinging.close_code() == 4429
        assert splitting.close_code() == 4429


def test_a_client_that_answers_pings_stays(hurried: StreamService) -> None:
    with joined(hurried) as client:
        assert client.is_quiet(1.5)
        ids = hurried.append(1.0)
        assert client.events(1) == ids


def test_a_client_that_answers_no_ping_is_closed_with_4408(hurried: StreamService) -> None:
    with RawStreamClient(hurried, hurried.token()) as client:
        began = time.monotonic()
        assert isinstance(client.next(), Ping)
        assert client.close_code() == 4408
        assert 0.5 < time.monotonic() - began < 2


def test_a_stalled_client_is_closed_with_4409_its_stream_whole_and_50_others_get_everything(tmp_path: Path) -> None:
    # It reads its rest only after the others have had everything, which takes longer than we usually wait for that.
    with (
        running(StreamService(tmp_path, limits_json='{"linger_seconds": 60}')) as service,
        RawStreamClient(service, service.token(), buffer_bytes=4096) as stalled,
    ):
        stalled.send('{"type": "subscribe"}')
        stalled.next()
        ids = asyncio.run(_everything_reaches(50, service, batches=8, batch_size=250))
        received = []
        while isinstance(event := stalled.next(), TextMessage):
            received.append(json.loads(event.data)["event_id"])
        assert isinstance(event, CloseConnection)
        assert event.code == 4409
        assert 0 < len(received) < len(ids)
        assert received == ids[: len(received)]


async def _everything_reaches(clients: int, service: StreamService, batches: int, batch_size: int) -> list[int]:
    """Append in batches, each when every client has had the last; return the ids."""
    ready = asyncio.Barrier(clients + 1)
    arrived = asyncio.Barrier(clients + 1)

    async def client() -> list[int]:
        received = []
        async with connect(service.url, compression=None) as connection:
            await connection.send(json.dumps({"type": "auth", "token": service.token()}))
            await connection.recv()
            await connection.send(json.dumps({"type": "subscribe"}))
            await connection.recv()
            await ready.wait()
            for _ in range(batches):
                received += [json.loads(await connection.recv())["event_id"] for _ in range(batch_size)]
                await arrived.wait()
        return received

    tasks = [asyncio.create_task(client()) for _ in range(clients)]
    await ready.wait()
    ids: list[int] = []
    for _ in range(batches):
        ids += await asyncio.to_thread(service.append, *range(batch_size))
        await asyncio.wait_for(arrived.wait(), 60)
    received = await asyncio.gather(*tasks)
    assert all(each == ids for each in received)
    return ids


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "https://wallet.example:444", "x"]
)
def test_a_page_of_a_foreign_origin_gets_403(service: StreamService, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused, connected(service, origin=origin):
        pass
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body or b"")["status"] == 403


@pytest.mark.parametrize(
    "origin", ["https://wallet.example", "https://wallet.example:443", "https://node.example:8443"]
)
def test_a_page_of_an_allowed_origin_may_connect(service: StreamService, origin: str) -> None:
    with connected(service, origin=origin) as client:
        client.authenticate(service.token())


def test_a_page_of_our_own_origin_may_connect(service: StreamService) -> None:
    with connected(service, origin=f"http://127.0.0.1:{service.port}") as client:
        client.authenticate(service.token())


def test_behind_a_trusted_proxy_our_own_origin_is_the_host_that_it_forwards(service: StreamService) -> None:
    headers = {"X-Forwarded-Host": "appliance.example:8443"}
    with connected(service, origin="https://appliance.example:8443", additional_headers=headers) as client:
        client.authenticate(service.token())


def test_a_proxy_that_is_not_trusted_forwards_no_host(tmp_path: Path) -> None:
    headers = {"X-Forwarded-Host": "evil.example"}
    with (
        running(StreamService(tmp_path, environ={"TRUSTED_PROXIES": "10.9.9.9"})) as service,
        pytest.raises(InvalidStatus) as refused,
        connected(service, origin="https://evil.example", additional_headers=headers),
    ):
        pass
    assert refused.value.response.status_code == 403


def test_compression_is_refused_and_nothing_breaks(service: StreamService) -> None:
    with connected(service, compression="deflate") as client:
        assert client.connection.response is not None
        assert "Sec-WebSocket-Extensions" not in client.connection.response.headers
        client.authenticate(service.token())


def test_connects_of_one_address_are_counted_by_the_minute_behind_the_proxy_too(tmp_path: Path) -> None:
    with running(StreamService(tmp_path, limits_json='{"connects_per_minute": 3}')) as service:

        def connect_from(address: str) -> None:
            with connected(service, additional_headers={"X-Forwarded-For": address}):
                pass

        for _ in range(3):
            connect_from("192.0.2.1")
        # The client itself may claim anything; only the hop that our proxy added counts.
        for once_too_often in ("192.0.2.1", "198.51.100.7, 192.0.2.1"):
            with pytest.raises(InvalidStatus) as refused:
                connect_from(once_too_often)
            assert refused.value.response.status_code == 429
            assert 0 < int(refused.value.response.headers["Retry-After"]) <= 60
        connect_from("192.0.2.2")


def test_the_number_of_connections_is_bounded_and_those_that_leave_make_room(tmp_path: Path) -> None:
    with running(StreamService(tmp_path, limits_json='{"connections": 3}')) as service, ExitStack() as stack:
        clients = [stack.enter_context(joined(service)) for _ in range(3)]
        with pytest.raises(InvalidStatus) as refused, connected(service):
            pass
        assert refused.value.response.status_code == 503
        clients[0].connection.close()

        def is_admitted() -> bool:
            try:
                with connected(service):
                    return True
            except InvalidStatus:
                return False

        until(is_admitted, "room for one more")


@pytest.mark.parametrize("path", ["/", "/ws/whales"])
def test_plain_http_is_told_to_upgrade(service: StreamService, path: str) -> None:
    answer = requests.get(f"http://127.0.0.1:{service.port}{path}", timeout=10)
    assert answer.status_code == 426
    assert answer.headers["Upgrade"] == "websocket"
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-WebSocket-Version": "8", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}, 426),
        ({"Sec-WebSocket-Version": "13"}, 400),
        ({"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Connection": "close"}, 400),
    ],
)
def test_half_a_handshake_is_an_error_of_the_client(
    service: StreamService, headers: dict[str, str], status: int
) -> None:
    standard = {"Upgrade": "websocket", "Connection": "Upgrade"}
    answer = requests.get(f"http://127.0.0.1:{service.port}/ws/whales", headers=standard | headers, timeout=10)
    assert answer.status_code == status


def test_an_unknown_path_is_not_found(service: StreamService) -> None:
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = requests.get(f"http://127.0.0.1:{service.port}/ws/dolphins", headers=headers, timeout=10)
    assert answer.status_code == 404

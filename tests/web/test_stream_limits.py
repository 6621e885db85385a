from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect
from wsproto.events import CloseConnection, Ping, TextMessage

from app.web.stream_socket import take_over
from tests.fakes.raw_stream_client import RawStreamClient
from tests.fakes.stream_client import connected, joined
from tests.fakes.stream_service import StreamService, running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamService]:
    with running(StreamService(tmp_path_factory.mktemp("limits"))) as service:
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
        '{"a":' * 1300,
        "[" * 8000,
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


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no frame at all"),
        pytest.param(b"\x81\x02{}", id="unmasked"),
        pytest.param(b"\xc1\x80\x00\x00\x00\x00", id="reserved bit"),
        pytest.param(b"\x83\x80\x00\x00\x00\x00", id="unknown opcode"),
        pytest.param(b"\x80\x80\x00\x00\x00\x00", id="continuation of nothing"),
        pytest.param(b"\x09\x80\x00\x00\x00\x00", id="ping in fragments"),
        pytest.param(b"\x89\xfe\x00\x7e\x00\x00\x00\x00" + bytes(126), id="ping too long"),
        pytest.param(b"\x88\x81\x00\x00\x00\x00\x03", id="half a close code"),
        pytest.param(b"\x88\x82\x00\x00\x00\x00\x03\xed", id="close code that is never sent"),
        pytest.param(b"\x81\x82\x00\x00\x00\x00\xff\xfe", id="text that is not UTF-8"),
    ],
)
def test_what_breaks_the_rules_of_frames_closes_with_4400_like_any_bad_frame(
    service: StreamService, sent: bytes
) -> None:
    with RawStreamClient(service, service.token()) as client:
        client.socket.sendall(sent)
        error = client.next()
        assert isinstance(error, TextMessage)
        assert json.loads(error.data)["code"] == "bad_frame"
        assert client.close_code() == 4400


def test_a_flood_after_a_bad_frame_is_not_kept(tmp_path: Path) -> None:
    with (
        running(StreamService(tmp_path, limits_json='{"linger_seconds": 60}')) as service,
        RawStreamClient(service) as client,
    ):
        client.socket.sendall(b"\x81\x00")
        assert client.close_code() == 4400
        before = memory_kib(service.worker_pid)
        for _ in range(64):
            client.socket.sendall(bytes(1024 * 1024))
        assert memory_kib(service.worker_pid) - before < 16 * 1024


def memory_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


def test_a_burst_of_40_messages_is_answered_and_the_next_closes_with_4429(service: StreamService) -> None:
    with connected(service) as client:
        client.authenticate(service.token())
        for _ in range(60):
            client.send(type="ping")
        messages, code = client.ending()
    assert code == 4429
    assert 39 <= len(messages) <= 45
    assert {each["type"] for each in messages} == {"pong"}


def test_a_client_that_has_said_all_that_it_may_can_still_take_its_leave(service: StreamService) -> None:
    with RawStreamClient(service) as client:
        for _ in range(40):
            client.ping()
        client.say_goodbye()
        opcode, close = client.every_frame()[-1]
        assert (opcode, int.from_bytes(close[:2])) == (8, 1000)


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


def test_the_kernel_takes_64_kib_for_a_client_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        descriptor = take_over(server.accept()[0])
        with socket.socket(fileno=descriptor) as taken:
            assert taken.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 64 * 1024


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

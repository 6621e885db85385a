"""What clients see when something fails inside: frames, a reason, and the end of the connection; never HTTP."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from app.adapters.database.events import append
from tests.fakes.raw_stream_client import CLOSE, RawStreamClient
from tests.fakes.stream_client import connected
from tests.fakes.stream_service import StreamService, running

if TYPE_CHECKING:
    from pathlib import Path

SMUGGLED = b"GET /ws/whales HTTP/1.1\r\nHost: x\r\n\r\n"
CONNECTION = "from app.web.stream_connection import Connection"
BREAKS_HANDLING = f"{CONNECTION}; Connection._handle = lambda *_: 1 / 0"
BREAKS_BEGINNING = f"{CONNECTION}; Connection.__init__ = lambda *_: 1 / 0"
BREAKS_ENTERING = "from app.web.stream_hub import Hub; Hub.enter = lambda *_: 1 / 0"
BREAKS_END = "from app.web.stream_socket import ClientSocket; ClientSocket.linger = lambda *_: 1 / 0"


def code_of(close: bytes) -> int:
    return int.from_bytes(close[:2])


def test_a_message_nested_1300_deep_is_answered_with_frames_and_not_with_http(tmp_path: Path) -> None:
    with running(StreamService(tmp_path)) as service, RawStreamClient(service) as client:
        client.send('{"a":' * 1300)
        client.socket.sendall(SMUGGLED)
        (_, error), (opcode, close) = client.every_frame()
        assert json.loads(error)["code"] == "bad_frame"
        assert (opcode, code_of(close)) == (CLOSE, 4400)


def test_a_token_nested_thousands_deep_is_refused_like_any_other(tmp_path: Path) -> None:
    header = base64.urlsafe_b64encode(b'{"a":' + b"[" * 5000).rstrip(b"=").decode()
    with running(StreamService(tmp_path)) as service, RawStreamClient(service) as client:
        client.send(json.dumps({"type": "auth", "token": f"{header}.e30.e30"}))
        assert client.close_code() == 4401
        assert "failed" not in service.log_file.read_text("utf-8")


@pytest.mark.parametrize(
    ("sabotage", "codes"),
    [
        (BREAKS_HANDLING, [1011]),
        (BREAKS_BEGINNING, []),
        (BREAKS_ENTERING, [1011]),
        (BREAKS_END, [4400]),
    ],
    ids=["handling", "beginning", "entering", "end"],
)
def test_after_the_handshake_comes_nothing_but_frames_and_the_end_whatever_fails(
    tmp_path: Path, sabotage: str, codes: list[int]
) -> None:
    with running(StreamService(tmp_path, sabotage=sabotage)) as service, RawStreamClient(service) as client:
        client.send("no message")
        client.socket.sendall(SMUGGLED)
        frames = client.every_frame()
        assert [code_of(payload) for opcode, payload in frames if opcode == CLOSE] == codes
        assert frames[-1:] == [frame for frame in frames if frame[0] == CLOSE]
        assert "ZeroDivisionError" in service.log_file.read_text("utf-8")


def test_a_client_that_leaves_as_its_next_ping_is_due_is_let_go_in_peace(tmp_path: Path) -> None:
    with (
        running(StreamService(tmp_path, limits_json='{"ping_seconds": 0}')) as service,
        RawStreamClient(service) as client,
    ):
        client.say_goodbye()
        opcode, close = client.every_frame()[-1]
        assert (opcode, code_of(close)) == (CLOSE, 1000)
        assert service.log_file.read_text("utf-8") == ""


def test_what_cannot_be_sent_again_ends_the_connection_and_leaves_nobody_waiting_for_ever(tmp_path: Path) -> None:
    service = StreamService(tmp_path)
    with service.database.writing() as connection:
        append(connection, "price_update", ["no object"], datetime.now(UTC))  # type: ignore[arg-type] # that is it
    with running(service), connected(service) as client:
        client.authenticate(service.token())
        client.subscribe(last_event_id=0)
        assert client.close_code() == 1011
        assert "sending again what a client missed failed" in service.log_file.read_text("utf-8")
        with connected(service) as another:
            another.authenticate(service.token())
            another.subscribe()
            ids = service.append(1.0)
            assert another.events(1) == ids

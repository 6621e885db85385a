"""The benchmark of the alert stream: its clients miss nothing that goes wrong, and each measure comes out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.bench import stream
from tests.bench.stream_clients import connected
from tests.bench.stream_load import Client, Record
from tests.bench.stream_servers import ours, tell
from tests.fakes.stream_events import alert

SMALL = stream.Size(clients=20, many=30, alerts=5, rounds=1)


def test_every_client_notes_when_each_event_came_to_it(tmp_path: Path) -> None:
    with ours(tmp_path) as server, connected(server.url, [server.service.token()], 10) as clients:
        sent_at = stream.publish(server, 3)
        first = clients.receipts(3)
        (event_id, rung_at) = tell(server.service, alert(9))
        second = clients.receipts(1)
        now = time.monotonic()
    assert first.faults == second.faults == []
    assert list(first.times) == list(sent_at)
    assert list(second.times) == [event_id]
    for event, times in (first.times | second.times).items():
        assert len(times) == 10
        assert all((sent_at | {event_id: rung_at})[event] < at < now for at in times)
    assert len(first.delays_ms(sent_at)) == 30


def test_one_that_stalls_is_shown_out_with_its_frames_whole(tmp_path: Path) -> None:
    with ours(tmp_path) as server, connected(server.url, [server.service.token()], 1, stalled=2) as clients:
        for number in range(400):
            tell(server.service, alert(number))
        receipts = clients.receipts(400, stalled_read=True)
    assert receipts.faults == []
    assert receipts.shown_out == 2


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        ([b'{"event_id":1}', b'{"event_id":1}'], "event 0 came in place of 1"),
        ([b'{"event_id":2}'], "event 1 came in place of 0"),
    ],
    ids=["twice", "left out"],
)
def test_what_comes_twice_or_is_left_out_is_a_fault(sent: list[bytes], fault: str) -> None:
    record = Record()
    for number, text in enumerate([b'{"event_id":1}', b'{"event_id":2}']):
        record.note(text, number, at=0.0)
    client = Client(None, record)  # type: ignore[arg-type] # it sends nothing
    client.take(b"".join(bytes([0x81, len(text)]) + text for text in sent), at=0.0)
    assert [each.partition(":")[0] for each in record.faults] == [fault]


def test_frames_may_come_in_pieces() -> None:
    record = Record()
    client = Client(None, record)  # type: ignore[arg-type] # it sends nothing
    text = b'{"event_id":7}'.ljust(300)
    for byte in bytes([0x81, 126]) + len(text).to_bytes(2) + text:
        client.take(bytes([byte]), at=float(byte))
    assert record.since_last_time() == {7: [float(b" "[0])]}
    assert record.faults == []


def test_every_measure_comes_out() -> None:
    names = [measure.line().split()[0] for measure in stream.measures(SMALL, lambda _: None)]
    assert names == [
        "stream.p50[ms]",
        "stream.p99[ms]",
        "stream.cpu[s]",
        "stream.stop[s]",
        "stream.memory_stalled[KB]",
        "stream.many_memory[MB]",
        "stream.many_stop[s]",
        "stream.memory[KB/client]",
    ]

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update
from websockets.asyncio.client import connect

from app.adapters.database.events import append
from app.adapters.database.tables import EventLogIdentityRow
from tests.fakes.stream_client import connected, joined
from tests.fakes.stream_service import StreamService, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.throwaway_postgresql import ThrowawayPostgresql


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamService]:
    with running(StreamService(tmp_path_factory.mktemp("events"))) as service:
        yield service


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[StreamService]:
    """A service to do harm to."""
    with running(StreamService(tmp_path)) as service:
        yield service


def test_an_event_reaches_a_subscriber_at_once_with_all_its_fields(service: StreamService) -> None:
    with joined(service) as client:
        (event_id,) = service.append(101_000.0)
        committed_at = time.monotonic()
        event = client.receive()
        assert time.monotonic() - committed_at < 0.5
    assert event == {
        "type": "price_update",
        "event_id": event_id,
        "timestamp": "2026-11-24T10:10:00+00:00",
        "utxoracle_price": 101_000.0,
        "exchange_price": 100_000.0,
        "difference": 1_000.0,
        "difference_percent": 1.0,
        "confidence": None,
        "block_height": 900_000,
        "is_valid": True,
        "invalid_reason": None,
    }


def test_clients_of_the_earlier_system_connect_at_the_root(service: StreamService) -> None:
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(
            StreamService, "url", f"ws://127.0.0.1:{service.port}/"
        )
        client = stack.enter_context(joined(service))
        ids = service.append(1.0, 2.0)
        assert client.events(2) == ids


def test_a_lost_ring_costs_a_poll_interval_and_no_event(service: StreamService) -> None:
    with joined(service) as client:
        ids = service.append(1.0, ring=False)
        began = time.monotonic()
        assert client.events(1) == ids
        assert time.monotonic() - began < 2


def test_without_a_subscription_nothing_comes(service: StreamService) -> None:
    with connected(service) as silent, joined(service) as former, joined(service) as witness:
        silent.authenticate(service.token())
        former.send(type="unsubscribe")
        assert former.receive() == {"type": "connection", "status": "unsubscribed", "reason": None}
        service.append(1.0)
        witness.events(1)
        assert silent.is_quiet()
        assert former.is_quiet()


def test_subscribing_again_sends_nothing_twice(service: StreamService) -> None:
    with joined(service) as client:
        ids = service.append(1.0, 2.0)
        assert client.events(2) == ids
        client.subscribe(filters={"min_btc": 5, "statuses": ["pending"]})
        later = service.append(3.0)
        assert client.events(1) == later
        assert client.is_quiet()


def test_a_client_that_comes_back_gets_what_it_missed_once_and_in_order(service: StreamService) -> None:
    first = service.append(1.0)
    with joined(service, last_event_id=first[0] - 1) as client:
        assert client.events(1) == first
    missed = service.append(*range(450))
    with joined(service, last_event_id=first[0]) as client:
        live = service.append(7.0, 8.0)
        assert client.events(452) == missed + live
        assert client.is_quiet()


def test_nothing_is_lost_or_doubled_between_replay_and_live(service: StreamService) -> None:
    (start,) = service.append(0.0)
    expected = service.append(*range(300))
    with ExitStack() as stack:
        clients = []
        for number in range(20):
            expected += service.append(float(number))
            clients.append(stack.enter_context(joined(service, last_event_id=start)))
            expected += service.append(float(number))
        for client in clients:
            assert client.events(len(expected)) == expected


def test_only_the_last_24_hours_are_sent_again_and_the_client_is_told(own_service: StreamService) -> None:
    own_service.append(1.0, 2.0, age=timedelta(hours=30))
    recent = own_service.append(3.0, 4.0, age=timedelta(hours=23))
    with joined(own_service) as witness:
        recent += own_service.append(5.0)
        witness.events(1)
    with joined(own_service, last_event_id=1) as client:
        notice = client.receive()
        assert (notice["type"], notice["reason"]) == ("resync_required", "too_old")
        assert client.events(3) == recent
        assert client.is_quiet()


def test_a_client_that_missed_only_recent_events_need_not_resynchronise(own_service: StreamService) -> None:
    old = own_service.append(1.0, age=timedelta(hours=30))
    recent = own_service.append(3.0)
    with joined(own_service, last_event_id=old[0]) as client:
        assert client.events(1) == recent


def test_an_id_that_the_log_never_gave_requires_to_resynchronise(service: StreamService) -> None:
    with joined(service, last_event_id=10**9) as client:
        notice = client.receive()
        assert (notice["type"], notice["reason"]) == ("resync_required", "unknown_event")
        assert client.events(0) == []
        later = service.append(1.0)
        assert client.events(1) == later


def test_an_id_of_another_log_requires_to_resynchronise(service: StreamService) -> None:
    service.append(1.0)
    with joined(service, last_event_id=1, log_identity="of the log before the restore") as client:
        notice = client.receive()
        assert (notice["type"], notice["reason"]) == ("resync_required", "log_replaced")
        later = service.append(1.0)
        assert client.events(1) == later


def test_an_id_of_this_very_log_does_not(service: StreamService) -> None:
    (start,) = service.append(1.0)
    with connected(service) as client:
        identity = client.authenticate(service.token())["log_identity"]
        missed = service.append(1.0)
        client.subscribe(last_event_id=start, log_identity=identity)
        assert client.events(1) == missed


def test_a_log_that_is_replaced_meanwhile_requires_everyone_to_resynchronise(own_service: StreamService) -> None:
    with joined(own_service) as client:
        own_service.append(1.0)
        client.events(1)
        with own_service.database.writing() as connection:
            connection.execute(update(EventLogIdentityRow).values(identity="the-restored-log"))
        notice = client.receive()
        assert notice == {
            "type": "resync_required",
            "reason": "log_replaced",
            "log_identity": "the-restored-log",
            "last_event_id": 1,
        }
        later = own_service.append(2.0)
        assert client.events(1) == later


def test_events_that_are_not_for_clients_are_passed_over(own_service: StreamService) -> None:
    with joined(own_service) as client:
        with own_service.database.writing() as connection:
            append(connection, "an_internal_matter", {"secret": 1}, datetime.now(UTC))
        ids = own_service.append(2.0)
        assert client.events(1) == ids
    with joined(own_service, last_event_id=0) as client:
        assert client.events(1) == ids


def test_a_database_that_is_away_is_said_and_costs_no_event(own_service: StreamService) -> None:
    file = own_service.directory / "utxoracle.db"
    with joined(own_service) as client:
        before = own_service.append(1.0)
        assert client.events(1) == before
        own_service.database.close()
        away = file.rename(file.with_suffix(".away"))
        assert client.receive() == {"type": "connection", "status": "degraded", "reason": "database"}
        with connected(own_service) as late:
            late.send(type="auth", token=own_service.token())
            assert late.close_code() == 1013
        away.rename(file)
        ids = own_service.append(2.0, 3.0)
        assert client.receive() == {"type": "connection", "status": "recovered", "reason": None}
        assert client.events(2) == ids
        assert client.is_quiet()


def test_a_token_that_is_renewed_while_the_database_is_away_leaves_the_connection_open(
    own_service: StreamService,
) -> None:
    file = own_service.directory / "utxoracle.db"
    with joined(own_service) as client:
        own_service.database.close()
        away = file.rename(file.with_suffix(".away"))
        assert client.receive()["status"] == "degraded"
        client.send(type="auth", token=own_service.token())
        refusal = client.receive()
        assert (refusal["type"], refusal["code"]) == ("error", "unavailable")
        away.rename(file)
        assert client.receive()["status"] == "recovered"
        client.authenticate(own_service.token())
        ids = own_service.append(1.0)
        assert client.events(1) == ids


def test_a_database_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    service = StreamService(tmp_path)
    file = tmp_path / "utxoracle.db"
    service.append(1.0)
    service.database.close()
    away = file.rename(file.with_suffix(".away"))
    with running(service):
        away.rename(file)

        def is_welcome() -> bool:
            with connected(service) as client:
                client.send(type="auth", token=service.token())
                return bool(client.receive()["type"] == "welcome")

        until(is_welcome, "the stream to find its database")
        with joined(service, last_event_id=0) as client:
            assert client.events(1) == [1]


def test_a_killed_worker_is_replaced_and_nothing_is_lost(own_service: StreamService) -> None:
    with joined(own_service) as client:
        seen = client.events(0) + own_service.append(1.0)
        assert client.events(1) == seen
        killed = own_service.worker_pid
        os.kill(killed, signal.SIGKILL)
        missed = own_service.append(2.0, 3.0)

    def is_replaced() -> bool:
        try:
            return own_service.worker_pid != killed
        except IndexError:
            return False

    until(is_replaced, "another worker")
    with joined(own_service, last_event_id=seen[-1]) as client:
        assert client.events(2) == missed
        later = own_service.append(4.0)
        assert client.events(1) == later


def test_a_service_killed_with_9_goes_on_where_clients_left_off(own_service: StreamService) -> None:
    with joined(own_service) as client:
        seen = own_service.append(1.0)
        assert client.events(1) == seen
    worker = own_service.worker_pid
    own_service.stop(signal.SIGKILL)
    missed = own_service.append(2.0, 3.0)
    # systemd would end the whole group; an orphaned worker ends by itself.
    until(lambda: not Path(f"/proc/{worker}").exists(), "the orphaned worker to end")
    own_service.start()
    with joined(own_service, last_event_id=seen[-1]) as client:
        assert client.events(2) == missed


def test_a_doorbell_directory_that_vanishes_is_put_back(own_service: StreamService) -> None:
    shutil.rmtree(own_service.directory / "run")
    with joined(own_service) as client:
        ids = own_service.append(1.0)
        assert client.events(1) == ids
    until((own_service.directory / "run" / "doorbell" / "websocket.sock").exists, "the doorbell")


def test_200_clients_all_receive_a_burst_of_250_events_complete_and_in_order(service: StreamService) -> None:
    async def client(ready: asyncio.Barrier) -> list[int]:
        async with connect(service.url, compression=None) as connection:
            await connection.send(json.dumps({"type": "auth", "token": service.token()}))
            await connection.recv()
            await connection.send(json.dumps({"type": "subscribe"}))
            await connection.recv()
            await ready.wait()
            return [json.loads(await connection.recv())["event_id"] for _ in range(250)]

    async def burst() -> tuple[list[int], list[list[int]]]:
        ready = asyncio.Barrier(201)
        clients = [asyncio.create_task(client(ready)) for _ in range(200)]
        await ready.wait()
        ids = await asyncio.to_thread(service.append, *range(250))
        return ids, await asyncio.wait_for(asyncio.gather(*clients), 60)

    ids, received = asyncio.run(burst())
    assert len(received) == 200
    assert all(each == ids for each in received)


def test_on_postgresql_events_are_live_and_replayed_alike(tmp_path: Path, postgresql: ThrowawayPostgresql) -> None:
    service = StreamService(tmp_path, database_url=postgresql.new_database())
    with running(service):
        with joined(service) as client:
            first = service.append(1.0, 2.0)
            assert client.events(2) == first
        missed = service.append(*range(300))
        with ExitStack() as stack:
            clients = [stack.enter_context(joined(service, last_event_id=first[-1])) for _ in range(10)]
            live = service.append(3.0)
            for client in clients:
                assert client.events(301) == missed + live

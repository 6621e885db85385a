"""The client of docs/examples gives every event once and in order, and says when it cannot."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from whale_stream import FileBookmark, Filters, Position, events

from app.adapters.database.tables import EventLogIdentityRow
from tests.fakes.example_client import awaited, breaks, ids, kill_9, watcher
from tests.fakes.stream_client import joined
from tests.fakes.stream_events import alert
from tests.fakes.stream_service import StreamService, until

# Whatever fails here does so by waiting for a message that does not come.
pytestmark = pytest.mark.timeout(120)


# Every event, once and in order


def test_each_event_comes_once_and_in_order_though_the_server_is_killed_again_and_again(
    service: StreamService, bookmark: FileBookmark
) -> None:
    appended: list[int] = []

    def live() -> None:
        for figure in range(3):
            appended.extend(service.append(float(figure), 0.5))
            kill_9(service)
            appended.extend(service.append(float(figure), 1.5, 2.5))
            service.start()

    with closing(events(service.url, lambda: watcher(service), bookmark=bookmark)) as stream:
        life = threading.Thread(target=live)
        life.start()
        received = ids(stream, 15)
        life.join()
        assert received == appended
        # Nothing is left over, either: the next one is the next one.
        (later,) = service.append(3.0)
        assert next(stream)["event_id"] == later


def test_a_client_that_restarts_goes_on_where_it_was_and_is_given_again_what_it_did_not_finish(
    service: StreamService, bookmark: FileBookmark
) -> None:
    appended = service.append(1.0, 2.0, 3.0)
    with closing(events(service.url, lambda: watcher(service), bookmark=bookmark)) as stream:
        assert ids(stream, 2) == appended[:2]
    appended += service.append(4.0)
    with closing(events(service.url, lambda: watcher(service), bookmark=bookmark)) as stream:
        assert ids(stream, 3) == appended[1:]


def test_a_client_without_a_past_begins_with_now_and_misses_nothing_from_then_on(
    service: StreamService, tmp_path: Path
) -> None:
    service.append(1.0)
    bookmark = FileBookmark(tmp_path / "place.json")
    with closing(events(service.url, lambda: watcher(service), bookmark=bookmark)) as stream:
        first = awaited(stream)
        until(lambda: bookmark.read() is not None, "the client to be let in")
        kill_9(service)
        (missed,) = service.append(2.0)
        service.start()
        assert first()["event_id"] == missed


def test_a_client_that_is_too_slow_is_sent_away_and_still_gets_everything(
    service: StreamService, bookmark: FileBookmark, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(events(service.url, lambda: watcher(service), bookmark=bookmark)) as stream:
        appended = service.append(1.0)
        assert ids(stream, 1) == appended
        appended = []
        with joined(service) as quick:
            for _ in range(50):
                # Few enough to wait for one client that is merely not at once there.
                appended += service.tell(*(alert(number) for number in range(40)))
                # What one has received the other has been sent, or was sent away for.
                assert quick.events(40) == appended[-40:]
        assert ids(stream, 2000) == appended
    assert any("4409" in each for each in breaks(caplog)), breaks(caplog)


def test_only_the_whales_that_are_wanted_come_also_after_a_break(
    service: StreamService, bookmark: FileBookmark
) -> None:
    wanted = Filters(min_btc=100.0, flow_types=["inflow"])
    small: dict[str, Any] = {"btc_value": 5.0}
    whales = [alert(1), ("whale_alert", alert(2)[1] | small), alert(3)]
    with closing(events(service.url, lambda: watcher(service), filters=wanted, bookmark=bookmark)) as stream:
        first, _, second = service.tell(*whales)
        assert ids(stream, 2) == [first, second]
        kill_9(service)
        _, last = service.tell(*whales[1:])
        service.start()
        assert ids(stream, 1) == [last]


# What cannot be sent again


def test_a_log_that_is_replaced_is_told_of_and_the_stream_goes_on_in_the_new_one(
    service: StreamService, bookmark: FileBookmark
) -> None:
    with closing(events(service.url, lambda: watcher(service), bookmark=bookmark)) as stream:
        (last,) = service.append(1.0)
        assert ids(stream, 1) == [last]
        with service.database.writing() as connection:
            connection.execute(update(EventLogIdentityRow).values(identity="the-restored-log"))
        notice = next(stream)
        assert (notice["type"], notice["reason"]) == ("resync_required", "log_replaced")
        later = service.append(2.0)
        assert ids(stream, 1) == later
        assert bookmark.read() == Position("the-restored-log", last)


def test_a_log_that_was_replaced_while_the_client_was_away_is_told_of_once(
    service: StreamService, bookmark: FileBookmark
) -> None:
    (last,) = service.append(1.0)
    bookmark.write(Position("of the log before the restore", 1))
    with closing(events(service.url, lambda: watcher(service), bookmark=bookmark)) as stream:
        assert next(stream)["reason"] == "log_replaced"
        following = awaited(stream)
        until(lambda: now_at(bookmark) == last, "the notice to be dealt with")
        kill_9(service)
        (later,) = service.append(2.0)
        service.start()
        assert following()["event_id"] == later


def now_at(bookmark: FileBookmark) -> int | None:
    position = bookmark.read()
    return position.last_event_id if position else None


def test_who_was_away_too_long_is_told_and_given_all_that_can_still_be_sent(
    service: StreamService, bookmark: FileBookmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.append(1.0, age=timedelta(hours=30))
    recent = service.append(2.0, 3.0)
    # Cut off while it is told, it is told again.
    for _ in range(2):
        with closing(events(service.url, lambda: watcher(service), bookmark=bookmark)) as stream:
            assert next(stream)["reason"] == "too_old"
    written: list[int] = []
    monkeypatch.setattr(bookmark, "write", lambda position: written.append(position.last_event_id))
    (later,) = service.append(4.0)
    with closing(events(service.url, lambda: watcher(service), bookmark=bookmark)) as stream:
        assert next(stream)["reason"] == "too_old"
        assert ids(stream, 3) == [*recent, later]
    # Having been told is no place from which to go on: a break would cost what was still to be sent.
    assert written == recent

"""What is told to everybody reaches everybody, though telling one of them fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.web.close_codes import Close
from app.web.stream_outbox import Outbox
from tests.fakes.stream_pair import HubClient, ListLog, all_events, hub_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.web.stream_hub import Hub


@pytest.fixture
def hub() -> Hub:
    return hub_of(ListLog())


@pytest.fixture
def clients(hub: Hub) -> Iterator[list[HubClient]]:
    clients = [HubClient(hub, all_events()) for _ in range(5)]
    yield clients
    for client in clients:
        client.leave()


def broken(method: str, unlucky: HubClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `method` of the outbox of one client fail."""
    sound = getattr(Outbox, method)
    of_one = unlucky.outbox

    def fails_for_one(outbox: Outbox, frame: bytes) -> None:
        if outbox is of_one:
            raise MemoryError
        sound(outbox, frame)

    monkeypatch.setattr(Outbox, method, fails_for_one)


@pytest.mark.parametrize(
    ("tell", "told"),
    [
        (lambda hub: hub.begin("another log", 7), "log_replaced"),
        (lambda hub: hub.degraded("database"), "database"),
        (lambda hub: hub.recovered(), None),
    ],
    ids=["another log", "degraded", "recovered"],
)
def test_all_are_told_but_the_one_with_whom_it_fails_which_is_closed(
    hub: Hub,
    clients: list[HubClient],
    tell: Callable[[Hub], None],
    told: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unlucky, *others = clients
    broken("send", unlucky, monkeypatch)
    tell(hub)
    assert [client.messages()[-1]["reason"] for client in others] == [told] * len(others)
    assert len(others[0].messages()) == 2
    assert unlucky.close_code() == Close.FAILED
    assert [client.close_code() for client in others] == [None] * len(others)


def test_all_are_seen_off_though_that_fails_with_one(
    hub: Hub, clients: list[HubClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    unlucky, *others = clients
    broken("finish", unlucky, monkeypatch)
    hub.close_all(Close.GOING_AWAY, "the service stops", 0)
    assert [client.close_code() for client in others] == [Close.GOING_AWAY] * len(others)
    assert len(hub) == len(others)

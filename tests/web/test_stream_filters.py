"""Which whales a client is told of: those it asked for, live and when it comes back; all else in any case."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.event_log import Event
from app.web.stream_filter import FILTERED, WhaleFilter
from app.web.stream_messages import STREAMED, Filters
from tests.fakes.stream_client import joined
from tests.fakes.stream_service import StreamService, price_payload, running

if TYPE_CHECKING:
    from collections.abc import Iterator

FLOWS = ["inflow", "outflow", "internal", "unknown"]
STATUSES = ["pending", "confirmed", "replaced", "dropped", "conflicted", "expired"]

SMALL: dict[str, Any] = {"btc_value": 100.0, "flow_type": "inflow", "status": "pending", "urgency_score": 0.2}
LARGE = SMALL | {"btc_value": 250.5, "urgency_score": 0.9}
LEAVING = SMALL | {"flow_type": "outflow"}
HASTE_UNKNOWN = LARGE | {"urgency_score": None}
MINED = LARGE | {"status": "confirmed"}
EVENTS = [
    *(("whale_alert", whale) for whale in (SMALL, LARGE, LEAVING, HASTE_UNKNOWN)),
    ("status_update", MINED),
    ("status_update", SMALL | {"status": "dropped"}),
    ("price_update", price_payload(1.0)),
    ("fee_update", {"tip_height": 1}),
    ("reorg", {"height": 1}),
]
# Places in EVENTS of those that are no whales.
ALWAYS = {6, 7, 8}

whales = st.fixed_dictionaries(
    {
        "btc_value": st.floats(0, 1e6),
        "flow_type": st.sampled_from(FLOWS),
        "status": st.sampled_from(STATUSES),
        "urgency_score": st.none() | st.floats(0, 1),
    }
)
filters = st.builds(
    Filters,
    min_btc=st.none() | st.floats(0, 1e6),
    flow_types=st.none() | st.lists(st.sampled_from(FLOWS)),
    min_urgency=st.none() | st.floats(0, 1),
    statuses=st.none() | st.lists(st.sampled_from(STATUSES)),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamService]:
    with running(StreamService(tmp_path_factory.mktemp("filters"))) as service:
        yield service


@pytest.mark.parametrize(
    ("wanted", "whales_let_through"),
    [
        ({}, {0, 1, 2, 3, 4, 5}),
        ({"min_btc": 0, "min_urgency": 0}, {0, 1, 2, 3, 4, 5}),
        ({"min_btc": 250.5}, {1, 3, 4}),
        ({"min_btc": 250.51}, set()),
        ({"min_urgency": 0.9}, {1, 4}),
        ({"flow_types": ["outflow", "internal"]}, {2}),
        ({"statuses": ["confirmed", "dropped"]}, {4, 5}),
        ({"statuses": []}, set()),
        ({"min_btc": 200, "min_urgency": 0.5, "flow_types": ["inflow"], "statuses": ["pending"]}, {1}),
    ],
    ids=str,
)
def test_a_client_is_told_of_the_whales_it_asked_for_live_and_when_it_comes_back(
    service: StreamService, wanted: dict[str, Any], whales_let_through: set[int]
) -> None:
    (before,) = service.append(0.0)
    with joined(service, filters=wanted) as live:
        ids = service.tell(*EVENTS)
        (end,) = service.append(9.0)
        due = [ids[place] for place in sorted(whales_let_through | ALWAYS)] + [end]
        assert live.events(len(due)) == due
        assert live.is_quiet(0.1)
    with joined(service, filters=wanted, last_event_id=before) as returned:
        assert returned.events(len(due)) == due
        assert returned.is_quiet(0.1)


def test_another_subscription_replaces_the_filter(service: StreamService) -> None:
    with joined(service, filters={"statuses": []}) as client:
        client.subscribe()
        ids = service.tell(EVENTS[0])
        assert client.events(1) == ids


@given(whales, filters)
def test_a_filter_agrees_with_its_words(whale: dict[str, Any], wish: Filters) -> None:
    event = Event(1, "whale_alert", datetime.now(UTC), whale)
    urgency = whale["urgency_score"]
    expected = (
        (not wish.min_btc or whale["btc_value"] >= wish.min_btc)
        and (not wish.min_urgency or (urgency is not None and urgency >= wish.min_urgency))
        and (wish.flow_types is None or whale["flow_type"] in wish.flow_types)
        and (wish.statuses is None or whale["status"] in wish.statuses)
    )
    judge = WhaleFilter.of(wish)
    assert (judge is None or judge.lets_through(event)) == expected


@given(filters)
def test_what_is_no_whale_passes_every_filter(wish: Filters) -> None:
    judge = WhaleFilter(wish)
    for kind in STREAMED - FILTERED:
        assert judge.lets_through(Event(1, kind, datetime.now(UTC), {}))


def test_a_client_that_wants_everything_costs_no_judgement() -> None:
    assert WhaleFilter.of(msgspec.json.decode("{}", type=Filters)) is None

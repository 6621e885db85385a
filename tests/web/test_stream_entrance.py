"""Letting clients in: a few at a time, and none is kept waiting by a database that answers nobody."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import gevent
import pytest
from gevent.event import Event

from app.services.storage import StorageUnavailableError
from app.web.close_codes import Close
from app.web.stream_entry import Entrance, TurnedAwayError
from app.web.stream_messages import Auth
from tests.fakes.stream_pair import GRANT

if TYPE_CHECKING:
    from app.services.tokens import Grant

TOKEN = Auth(token="a token")  # noqa: S106 - it opens nothing
AT_ONCE = 4


class Access:
    """Answers once `answers` is set, and notes how many waited for that together."""

    def __init__(self) -> None:
        self.answers = Event()
        self.most = self._waiting = 0

    def enter(self, **_: object) -> Grant:
        self._waiting += 1
        self.most = max(self.most, self._waiting)
        self.answers.wait()
        self._waiting -= 1
        return GRANT


def entrance_to(access: Any, patience_seconds: float = 10) -> Entrance:  # noqa: ANN401 - a stand-in
    return Entrance(access, patience_seconds)


def test_thousands_who_come_back_ask_the_database_a_few_at_a_time_and_all_are_let_in() -> None:
    access = Access()
    entrance = entrance_to(access)
    coming = [gevent.spawn(entrance.enter, TOKEN, None) for _ in range(200)]
    gevent.sleep(0.02)
    access.answers.set()
    gevent.joinall(coming, raise_error=True)
    assert access.most == AT_ONCE
    assert all(each.value == GRANT for each in coming)


@pytest.mark.parametrize(("before", "close"), [(None, Close.TRY_LATER), (GRANT, None)], ids=["new", "renewing"])
def test_who_does_not_get_a_turn_is_told_to_try_later_and_stays_if_it_was_let_in_before(
    before: Grant | None, close: Close | None
) -> None:
    access = Access()
    entrance = entrance_to(access, 0.02)
    stuck = [gevent.spawn(entrance.enter, TOKEN, None) for _ in range(AT_ONCE)]
    gevent.sleep(0)
    with pytest.raises(TurnedAwayError) as refused:
        entrance.enter(TOKEN, before)
    assert (refused.value.code, refused.value.close) == ("unavailable", close)
    access.answers.set()
    gevent.joinall(stuck, raise_error=True)


@pytest.mark.parametrize(("before", "close"), [(None, Close.TRY_LATER), (GRANT, None)], ids=["new", "renewing"])
def test_a_database_that_is_away_takes_nothing_from_those_who_were_let_in_before(
    before: Grant | None, close: Close | None
) -> None:
    def fail(**_: object) -> Grant:
        raise StorageUnavailableError("away")

    with pytest.raises(TurnedAwayError) as refused:
        entrance_to(SimpleNamespace(enter=fail)).enter(TOKEN, before)
    assert (refused.value.code, refused.value.close) == ("unavailable", close)

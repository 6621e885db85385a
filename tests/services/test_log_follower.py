"""The follower of the log goes on whatever happens to what it depends on."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from app.services.event_log import Event
from app.services.log_follower import LogFollower

if TYPE_CHECKING:
    from collections.abc import Sequence


class EnoughError(BaseException):
    """Ends what follows for ever."""


class Log:
    """One entry more each time it is asked for news."""

    def __init__(self) -> None:
        self._asked = 0

    def identity(self) -> str:
        return "a log"

    def last_id(self) -> int:
        return 0

    def last_before(self, moment: datetime) -> int:
        raise NotImplementedError

    def news(self, event_id: int, _limit: int) -> tuple[str, Sequence[Event]]:
        self._asked += 1
        return "a log", [Event(number, "test", datetime.now(UTC), {}) for number in range(event_id + 1, self._asked)]

    def after(self, event_id: int, _limit: int) -> Sequence[Event]:
        return self.news(event_id, _limit)[1]


class BrokenHearing:
    """Fails three times, and then ends the test."""

    def __init__(self) -> None:
        self._left = 3

    def wait(self, _timeout_seconds: float) -> bool:
        if not self._left:
            raise EnoughError
        self._left -= 1
        raise OSError("no descriptor left")


class Audience:
    def __init__(self) -> None:
        self.heard: list[int] = []

    def begin(self, identity: str, position: int) -> None:
        assert (identity, position) == ("a log", 0)

    def publish(self, event: Event) -> None:
        self.heard.append(event.id)

    def degraded(self, reason: str) -> None:
        raise AssertionError(reason)

    def recovered(self) -> None:
        raise AssertionError


def test_a_doorbell_that_fails_costs_the_poll_interval_and_no_entry(caplog: pytest.LogCaptureFixture) -> None:
    audience = Audience()
    follower = LogFollower(Log(), BrokenHearing(), audience, poll_seconds=0.001)
    with caplog.at_level(logging.ERROR), pytest.raises(EnoughError):
        follower.run()
    assert audience.heard == [1, 2, 3]
    assert len(caplog.records) == 3

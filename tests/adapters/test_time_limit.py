"""Work ends in time, for whoever waits for it."""

from __future__ import annotations

import threading

import pytest

from app.adapters.time_limit import TimeLimitError, within

PATIENT_SECONDS = 30.0


def test_work_that_is_done_in_time_gives_its_result() -> None:
    assert within(PATIENT_SECONDS, lambda: 7) == 7


def test_the_errors_of_the_work_are_its_own_also_when_they_are_about_time() -> None:
    def fail() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        within(PATIENT_SECONDS, fail)


def test_work_that_never_ends_is_given_up() -> None:
    over = threading.Event()
    with pytest.raises(TimeLimitError, match=r"not done within 0\.05 s"):
        within(0.05, over.wait)
    over.set()

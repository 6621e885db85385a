"""Whoever works for long lets those go first for whom something has come meanwhile, and lets few do it at a time."""

from __future__ import annotations

import socket

import gevent
import pytest

from app.web.giving_way import Turns, give_way

READABLE = 1


class WorkFailedError(Exception):
    """What went wrong in a turn."""


def test_a_descriptor_that_becomes_readable_is_served_after_giving_way_a_few_times() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        served: list[bytes] = []
        watcher = gevent.get_hub().loop.io(ours.fileno(), READABLE)
        watcher.start(lambda: served.append(ours.recv(1)))
        # As in the middle of work that began with a callback of the loop.
        give_way()
        theirs.send(b"x")
        times = 0
        while not served and times < 100:
            give_way()
            times += 1
        watcher.stop()
        watcher.close()
    assert served == [b"x"]
    # gevent.sleep(0) takes about fifty.
    assert times <= 3


def test_no_more_than_may_are_at_work_and_everybody_gets_a_turn() -> None:
    turns = Turns(2)
    at_work: list[int] = []
    most: list[int] = []
    done: list[int] = []

    def work(number: int) -> None:
        with turns.one():
            at_work.append(number)
            most.append(len(at_work))
            gevent.sleep(0.001)
            at_work.remove(number)
            done.append(number)

    gevent.joinall([gevent.spawn(work, number) for number in range(20)], raise_error=True)
    assert max(most) == 2
    assert sorted(done) == list(range(20))


def test_between_two_turns_a_descriptor_is_served_though_the_work_itself_never_waits() -> None:
    turns = Turns(1)
    ours, theirs = socket.socketpair()
    done: list[int] = []

    def work(number: int) -> None:
        with turns.one():
            if number == 0:
                theirs.send(b"x")
            done.append(number)

    with ours, theirs:
        served_after: list[int] = []
        watcher = gevent.get_hub().loop.io(ours.fileno(), READABLE)

        def serve() -> None:
            served_after.append(len(done))
            watcher.stop()

        watcher.start(serve)
        gevent.joinall([gevent.spawn(work, number) for number in range(40)], raise_error=True)
        watcher.close()
    assert served_after[0] <= 3


def test_a_turn_that_does_not_come_in_time_is_an_error_and_takes_nobodys_place() -> None:
    turns = Turns(1)
    with turns.one(), pytest.raises(TimeoutError), turns.one(0.01):
        pass
    with turns.one(0.01):
        pass


def test_a_turn_that_fails_makes_room_for_the_next() -> None:
    turns = Turns(1)
    with pytest.raises(WorkFailedError), turns.one():
        raise WorkFailedError
    with turns.one(0.01):
        pass

"""Answers that are kept: made once, and no more of them than there is room for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.web.answer_cache import AnswerCache, CacheBounds
from app.web.compression import Compressed, compressed
from tests.fakes.stream_service import until


class Kitchen:
    """Makes answers of ten bytes, and remembers of what."""

    def __init__(self, bounds: CacheBounds | None = None) -> None:
        self.cache = AnswerCache(bounds)
        self.made: list[str] = []

    def get(self, key: str) -> Compressed:
        def make() -> Compressed:
            self.made.append(key)
            return Compressed(key.encode().ljust(10), 10)

        return self.cache.get(key, make)


def test_what_many_ask_for_at_the_same_time_is_made_once() -> None:
    cache, made, go_on = AnswerCache(), [], threading.Event()

    def make() -> Compressed:
        made.append(1)
        go_on.wait(30)
        return compressed([b"answer"])

    with ThreadPoolExecutor(8) as many:
        answers = [many.submit(cache.get, "year", make) for _ in range(8)]
        until(lambda: made and sum(each.running() for each in answers) == 8, "everybody to ask")
        go_on.set()
        assert {b"".join(each.result().plain()) for each in answers} == {b"answer"}
    assert made == [1]


def test_others_are_answered_while_one_is_made() -> None:
    cache, go_on = AnswerCache(), threading.Event()

    def make() -> Compressed:
        go_on.wait(30)
        return compressed([b"slow"])

    with ThreadPoolExecutor(1) as other:
        slow = other.submit(cache.get, "year", make)
        assert cache.get("day", lambda: compressed([b"quick"])).plain_bytes == 5
        assert not slow.done()
        go_on.set()


def test_an_error_is_raised_for_all_who_wait_and_then_forgotten() -> None:
    cache, go_on = AnswerCache(), threading.Event()

    def fail() -> Compressed:
        go_on.wait(30)
        raise RuntimeError("broken")

    with ThreadPoolExecutor(4) as many:
        answers = [many.submit(cache.get, "year", fail) for _ in range(4)]
        until(lambda: sum(each.running() for each in answers) == 4, "everybody to ask")
        go_on.set()
        for each in answers:
            with pytest.raises(RuntimeError, match="broken"):
                each.result()
    assert cache.get("year", lambda: compressed([b"well"])).plain_bytes == 4


@pytest.mark.parametrize("bounds", [CacheBounds(answers=2), CacheBounds(compressed_bytes=29)])
def test_what_was_not_asked_for_the_longest_is_dropped_when_there_is_no_room(bounds: CacheBounds) -> None:
    kitchen = Kitchen(bounds)
    for key in ("a", "b", "a", "c", "a", "b"):
        kitchen.get(key)
    assert kitchen.made == ["a", "b", "c", "b"]


def test_an_answer_larger_than_all_the_room_is_made_each_time() -> None:
    kitchen = Kitchen(CacheBounds(compressed_bytes=9))
    assert kitchen.get("a").body == kitchen.get("a").body
    assert kitchen.made == ["a", "a"]

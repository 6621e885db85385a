"""A queue of very many txids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.services.whales.txid_queue import TxidQueue


def txid(number: int) -> bytes:
    return number.to_bytes(32, "big")


@given(
    st.lists(
        st.one_of(
            st.integers(1, 20).map(lambda count: ("add", count)), st.integers(0, 25).map(lambda count: ("drop", count))
        )
    )
)
def test_it_is_a_list_that_is_read_from_the_front(story: list[tuple[str, int]]) -> None:
    queue, expected, number = TxidQueue(), list[bytes](), 0
    for what, count in story:
        if what == "add":
            for number in range(number, number + count):  # noqa: B020 - it goes on where it was
                queue.append(txid(number))
                expected.append(txid(number))
        else:
            queue.drop(count)
            del expected[:count]
        assert len(queue) == len(expected)
        assert list(queue.first(7)) == expected[:7]
    queue.clear()
    assert len(queue) == 0


def test_what_was_taken_from_the_front_takes_no_memory() -> None:
    queue = TxidQueue()
    for number in range(100_000):
        queue.append(txid(number))
    for _ in range(99):
        queue.drop(1_000)
    assert list(queue.first(1)) == [txid(99_000)]
    assert len(queue) == 1_000

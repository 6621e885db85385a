"""The whales that are being followed, by what they spend."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.whales.movement import movement
from app.domain.whales.parts import read_parts
from app.services.storage import StorageError
from app.services.whales.examination import Looked, new_whale
from app.services.whales.followed import Followed
from app.services.whales.whale_store import Whale
from tests.chains.transactions import serialise
from tests.fakes.whale_clock import START
from tests.fakes.whale_store import MemoryWhales


def outpoint(number: int) -> bytes:
    return number.to_bytes(36, "little")


def whale(*spent: int, fee_rate: float | None = None) -> Whale:
    raw = serialise([(outpoint(each), b"", []) for each in spent], [(sum(spent) + 1, b"\x51")]).raw
    parts = read_parts(raw)
    found = new_whale(Looked(parts, None, movement(1, parts.outputs, None, {})), "stream", START, None)
    found.fee_rate = fee_rate
    return found


def test_rivals_are_those_that_spend_the_same_each_once() -> None:
    followed = Followed()
    one, other = whale(1, 2), whale(3)
    followed.add(one)
    followed.add(other)
    assert followed.rivals("", [outpoint(1), outpoint(2)]) == [one]
    assert followed.rivals(one.txid, [outpoint(1), outpoint(3)]) == [other]
    assert outpoint(3) in followed.outpoints
    assert outpoint(4) not in followed.outpoints


def test_those_of_the_lowest_feerate_are_let_go() -> None:
    followed = Followed()
    whales = [whale(number, fee_rate=rate) for number, rate in enumerate([5.0, None, 1.0, 9.0])]
    for each in whales:
        followed.add(each)
    assert followed.let_go(2) == 2
    assert list(followed) == [whales[0], whales[3]]
    assert followed.let_go(2) == 0


def test_it_is_known_since_when_one_is_away() -> None:
    followed = Followed()
    one, other = whale(1), whale(2)
    for each, left in ((one, 10.0), (other, 20.0)):
        followed.add(each)
        followed.leave(each, left)
    followed.leave(one, 30.0)
    assert followed.away_since(9.0) == []
    assert followed.away_since(10.0) == [one]
    followed.come_back(one)
    followed.remove(other.txid)
    assert followed.away_since(99.0) == []


def test_one_that_was_let_go_is_recalled_by_what_it_spends_and_only_while_it_waits() -> None:
    followed, store = Followed(), MemoryWhales()
    one, other = whale(1, 2), whale(3)
    for each in (one, other):
        followed.add(each)
        store.whales[each.txid] = each
    followed.let_go(0)
    assert followed.rivals("", [outpoint(1), outpoint(3)]) == []
    assert outpoint(2) in followed.outpoints
    other.status = "confirmed"
    followed.recall(store, [outpoint(2), outpoint(3), outpoint(4)])
    assert followed.rivals("", [outpoint(1), outpoint(3)]) == [one]
    assert outpoint(3) not in followed.outpoints


def test_a_store_that_fails_leaves_one_to_be_recalled() -> None:
    followed, store = Followed(), MemoryWhales()
    one = whale(1)
    store.whales[one.txid] = one
    followed.add(one)
    followed.let_go(0)
    store.is_failing = True
    with pytest.raises(StorageError):
        followed.recall(store, [outpoint(1)])
    store.is_failing = False
    followed.recall(store, [outpoint(1)])
    assert list(followed) == [one]


def test_of_those_that_were_let_go_no_more_is_remembered_than_there_is_room_for() -> None:
    followed = Followed()
    whales = [whale(*range(start, start + 7_000), fee_rate=start) for start in (0, 10_000, 20_000)]
    for each in whales:
        followed.add(each)
    followed.let_go(0)
    assert [outpoint(start) in followed.outpoints for start in (0, 10_000, 20_000)] == [False, True, True]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "add", "remove", "let go", "recall"]),
            st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True),
        ),
        max_size=20,
    )
)
def test_what_is_spent_is_what_those_spend_that_are_followed_or_were_let_go(
    story: Sequence[tuple[str, list[int]]],
) -> None:
    followed, store = Followed(), MemoryWhales()
    spent_by: dict[str, list[int]] = {}
    for act, spent in story:
        each = whale(*spent)
        if act == "add":
            followed.add(each)
            store.whales[each.txid] = each
            spent_by[each.txid] = spent
        elif act == "remove":
            followed.remove(each.txid)
            spent_by.pop(each.txid, None)
        elif act == "let go":
            followed.let_go(len(followed) // 2)
        else:
            followed.recall(store, map(outpoint, spent))
            assert {each.txid for each in followed.rivals("", map(outpoint, spent))} == {
                txid for txid, others in spent_by.items() if not {*others}.isdisjoint(spent)
            }
    for number in range(1, 7):
        spenders = {txid for txid, spent in spent_by.items() if number in spent}
        is_followed = {txid for txid in spenders if followed.get(txid)}
        assert {each.txid for each in followed.rivals("", [outpoint(number)])} == is_followed
        assert (outpoint(number) in followed.outpoints) == bool(spenders)

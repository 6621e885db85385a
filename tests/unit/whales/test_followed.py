"""The whales that are being followed, by what they spend."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from app.domain.whales.movement import movement
from app.domain.whales.parts import read_parts
from app.services.whales.examination import Looked, new_whale
from app.services.whales.followed import Followed
from app.services.whales.whale_store import Whale
from tests.chains.transactions import serialise
from tests.fakes.whale_clock import START


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


@given(
    st.lists(st.tuples(st.booleans(), st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True)), max_size=20)
)
def test_what_is_spent_is_what_those_that_are_followed_spend(story: Sequence[tuple[bool, list[int]]]) -> None:
    followed = Followed()
    expected: dict[str, tuple[Whale, list[int]]] = {}
    for is_added, spent in story:
        each = whale(*spent)
        if is_added:
            followed.add(each)
            expected[each.txid] = (each, spent)
        else:
            followed.remove(each.txid)
            expected.pop(each.txid, None)
    for number in range(1, 7):
        spenders = {txid for txid, (_, spent) in expected.items() if number in spent}
        assert {each.txid for each in followed.rivals("", [outpoint(number)])} == spenders
        assert (outpoint(number) in followed.outpoints) == bool(spenders)

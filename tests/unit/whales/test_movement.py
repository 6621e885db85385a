"""What a transaction moves, in which manner, and between whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.whales.movement import Movement, movement
from app.domain.whales.prevout import Prevout

PAYER, OTHER, EXCHANGE, BRANCH = b"payer", b"other", b"exchange", b"branch"
EXCHANGES = {EXCHANGE: "an exchange", BRANCH: "another exchange"}
prevouts = st.lists(
    st.builds(Prevout, st.integers(0, 10**10), st.sampled_from([PAYER, OTHER, EXCHANGE, BRANCH])),
    min_size=1,
    max_size=6,
)


def moved(outputs: list[tuple[int, bytes]], spent: list[tuple[int, bytes]] | None) -> Movement:
    found = None if spent is None else [Prevout(*each) for each in spent]
    return movement(len(spent or [0]), [Prevout(*each) for each in outputs], found, EXCHANGES)


def test_what_comes_back_to_a_script_of_an_input_is_not_moved() -> None:
    assert moved([(70, OTHER), (30, PAYER)], [(100, PAYER)]).moved_sat == 70


def test_change_to_a_fresh_script_counts_too() -> None:
    assert moved([(70, OTHER), (30, b"fresh")], [(100, PAYER)]).moved_sat == 100


def test_without_its_inputs_all_outputs_are_moved_and_nobody_knows_from_whom() -> None:
    found = moved([(70, EXCHANGE), (30, PAYER)], None)
    assert (found.moved_sat, found.inputs_resolved, found.flow_type) == (100, False, "unknown")
    assert found.exchange_labels == ["an exchange"]


@pytest.mark.parametrize(
    ("outputs", "spent", "flow_type"),
    [
        ([(70, EXCHANGE), (30, b"fresh")], [(100, PAYER)], "inflow"),
        ([(70, OTHER), (30, EXCHANGE)], [(100, EXCHANGE)], "outflow"),
        ([(70, BRANCH), (30, EXCHANGE)], [(100, EXCHANGE)], "internal"),
        ([(60, BRANCH), (40, OTHER)], [(100, EXCHANGE)], "internal"),
        ([(40, BRANCH), (60, OTHER)], [(100, EXCHANGE)], "outflow"),
        ([(70, OTHER), (30, PAYER)], [(100, PAYER)], "unknown"),
    ],
)
def test_the_flow_is_told_by_whose_scripts_are_on_which_side(
    outputs: list[tuple[int, bytes]], spent: list[tuple[int, bytes]], flow_type: str
) -> None:
    assert moved(outputs, spent).flow_type == flow_type


def test_exchanges_of_both_sides_are_named_once_and_sorted() -> None:
    found = moved([(70, BRANCH), (30, EXCHANGE)], [(50, EXCHANGE), (50, BRANCH)])
    assert found.exchange_labels == ["an exchange", "another exchange"]


@pytest.mark.parametrize(
    ("outputs", "spent", "kind"),
    [
        ([(70, OTHER), (30, PAYER)], [(100, PAYER)], "transfer"),
        ([(100, OTHER)], [(25, b"%d" % number) for number in range(4)], "consolidation"),
        ([(10 + number, b"%d" % number) for number in range(5)], [(100, PAYER)], "batch"),
        (
            [(20, b"a"), (20, b"b"), (20, b"c"), (7, b"d")],
            [(30, b"%d" % number) for number in range(3)],
            "coinjoin-like",
        ),
        ([(20, b"a"), (20, b"b"), (20, b"c")], [(60, PAYER)], "transfer"),
    ],
)
def test_the_manner_is_told_by_counts(
    outputs: list[tuple[int, bytes]], spent: list[tuple[int, bytes]], kind: str
) -> None:
    assert moved(outputs, spent).kind == kind


@given(prevouts, prevouts)
def test_never_more_is_moved_than_is_paid_and_knowing_the_inputs_only_lowers_it(
    outputs: list[Prevout], spent: list[Prevout]
) -> None:
    known = movement(len(spent), outputs, spent, EXCHANGES)
    unknown = movement(len(spent), outputs, None, EXCHANGES)
    assert 0 <= known.moved_sat <= unknown.moved_sat == sum(output.value_sat for output in outputs)

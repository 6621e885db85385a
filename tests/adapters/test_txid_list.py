"""Txids read from a list in JSON."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.txid_list import TxidList
from app.services.block_source import NodeError

ONE = '"' + "ab" * 32 + '"'


def list_of(text: str) -> TxidList:
    return TxidList(msgspec.Raw(text.encode()))


@given(st.lists(st.binary(min_size=32, max_size=32)))
def test_txids_are_read_as_any_reader_of_json_would(txids: list[bytes]) -> None:
    text = json.dumps([txid.hex() for txid in txids], separators=(",", ":"))
    read = list_of(text)
    assert len(read) == len(txids)
    assert list(read) == [bytes.fromhex(each) for each in json.loads(text)]


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2000, 2001])
def test_lists_of_any_length_are_read_to_the_end(count: int) -> None:
    txids = [number.to_bytes(32, "big") for number in range(count)]
    assert list(list_of(json.dumps([txid.hex() for txid in txids], separators=(",", ":")))) == txids


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "]",
        "{}",
        "7",
        '""',
        "[7]",
        "[[]]",
        "[ ]",
        f"[{ONE}, {ONE}]",
        f"[{ONE},]",
        f"[{ONE}",
        f"{{{ONE}}}",
        f"[{ONE}{ONE}]",
        f"[{ONE};{ONE}]",
        f'[{ONE},{ONE[:-3]}xy"]',
        f'[{ONE},{ONE[:-3]},]"]',
        f'[{ONE},{ONE[:-3]}  "]',
        f"[{ONE},'{ONE[1:-1]}']",
        f"[{ONE},{ONE[:-1]}]]",
        f'[{ONE},{ONE[:-3]}é"]',
    ],
)
def test_what_is_not_a_list_of_txids_is_refused(text: str) -> None:
    with pytest.raises(NodeError, match="something else than a list of txids"):
        list(list_of(text))

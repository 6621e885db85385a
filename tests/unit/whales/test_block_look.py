"""A block, looked through."""

from __future__ import annotations

import pytest

from app.domain.blocks.malformed import MalformedBlockError
from app.domain.whales.parts import outpoint_bytes
from app.services.whales.block_look import look_through
from tests.fakes.whale_chain import SimulatedChain
from tests.fakes.whale_transactions import BTC, Coin, Sent, pay, script_of


def block_of(chain: SimulatedChain, *transactions: Sent) -> bytes:
    return chain.connect(transactions, 1_700_000_000).block.raw


@pytest.fixture
def chain() -> SimulatedChain:
    return SimulatedChain(1_700_000_000)


def payment(chain: SimulatedChain, btc: int) -> tuple[Coin, Sent]:
    coin = chain.give(200 * BTC, script_of(1))
    return coin, pay([coin], [(btc * BTC, script_of(2))])


def test_it_finds_what_pays_much_and_what_spends_what_is_followed(chain: SimulatedChain) -> None:
    _, large = payment(chain, 150)
    coin, followed = payment(chain, 3)
    _, small = payment(chain, 2)
    look = look_through(block_of(chain, large, followed, small), 100 * BTC, {outpoint_bytes(coin.outpoint)})
    assert look.txids == [each.txid_bytes for each in (large, followed, small)]
    assert [parts.txid for parts in look.worth_a_look] == [large.txid, followed.txid]
    assert look.vsize_vb == pytest.approx(sum(each.vsize_vb for each in (large, followed, small)), abs=3)


def test_the_coinbase_is_left_out_whatever_it_pays(chain: SimulatedChain) -> None:
    assert look_through(block_of(chain), 1, ()) == ([], [], 0)


def test_what_is_no_block_is_refused(chain: SimulatedChain) -> None:
    with pytest.raises(MalformedBlockError):
        look_through(block_of(chain)[:-1], 1, ())

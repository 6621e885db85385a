"""Seeded chains of well-formed blocks whose true price is known.

Every block has its BIP34 coinbase, its BIP141 commitment, a merkle root, and a nonce that meets regtest's target.
Scripts and signatures are random bytes of the right shape: any parser reads them, no node accepts them. Only numpy's
frozen legacy stream is drawn from, so that a `Config` gives the same bytes everywhere and for ever.
"""

from tests.chains.chain import Block, Chain
from tests.chains.config import Config
from tests.chains.generator import build

__all__ = ["Block", "Chain", "Config", "build"]

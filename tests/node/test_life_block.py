"""Blocks that the generator makes itself."""

from __future__ import annotations

from app.domain.blocks.header import HEADER_BYTES
from app.services.header_work import check_work
from tests.node.programs.life.block import assemble

# Upon this block, at this time and with this salt, the first nonce gives a hash that starts with 7fffff7a: one of eight
# million does, and bitcoind, whose target is 7fffff00..., refused the history because of it ("high-hash").
PREVIOUS_LE = bytes.fromhex("2c6fcdd0d89459dc912a2100d9acf650425441e5bfa7212a229b15c3113e7c52")
HEIGHT, UNIX_TIME, SALT = 216, 1_795_772_972, bytes.fromhex("c5bc6335")
SCRIPT = bytes.fromhex("0020eb962666f190ad37b74ca6c45bc2711b1dd3ef9220d7ba7bf6dd26407714a725")


def test_a_hash_barely_above_the_target_is_not_enough() -> None:
    content, _, _ = assemble(HEIGHT, UNIX_TIME, PREVIOUS_LE, [], SCRIPT, SALT)
    header = content[:HEADER_BYTES]
    check_work(header, "regtest", HEIGHT)
    assert int.from_bytes(header[-4:], "little") > 0

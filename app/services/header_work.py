"""The proof of work in a header, checked against what a forger would have to spend."""

from __future__ import annotations

from app.domain.blocks.header import HEADER_BYTES, double_sha256
from app.services.block_source import BadBlockError

_DIFFICULTY_1_TARGET = 0xFFFF << 208
_MANTISSA, _MANTISSA_BYTES, _SIGN = 0x7FFFFF, 3, 0x800000
_HASH_BITS = 256

# From this height on (April 2024) main has never been easier than a difficulty of 79 million million, and gets below a
# quarter of that only if most miners leave for good. A block that is forged at it takes a seventh of the work of 2025.
MAIN_FLOOR_HEIGHT = 840_000
MAIN_FLOOR_DIFFICULTY = 20_000_000_000_000


def check_work(header: bytes, network: str, height: int) -> None:
    """Raise BadBlockError unless the 80 bytes of `header` prove the work of their bits, and on main enough of it.

    Main's floor holds from MAIN_FLOOR_HEIGHT on; older blocks, and other networks, may be as easy as they say.
    """
    if len(header) != HEADER_BYTES:
        raise BadBlockError(f"the header of block {height} has {len(header)} bytes instead of {HEADER_BYTES}")
    target = _target(int.from_bytes(header[72:76], "little"))
    if int.from_bytes(double_sha256(header), "little") > target:
        raise BadBlockError(f"the header of block {height} does not prove the work that it claims")
    if network == "main" and height >= MAIN_FLOOR_HEIGHT and target > _DIFFICULTY_1_TARGET // MAIN_FLOOR_DIFFICULTY:
        raise BadBlockError(f"the header of block {height} proves less work than any of main since {MAIN_FLOOR_HEIGHT}")


def least_tip_height(network: str) -> int:
    """Return the height that the newest block has passed: below it, no work to speak of would be asked for."""
    return MAIN_FLOOR_HEIGHT if network == "main" else 0


def _target(bits: int) -> int:
    """Return the number that a hash may not exceed; 0, which none meets, for bits that bitcoind refuses too."""
    exponent, mantissa = bits >> 24, bits & _MANTISSA
    if bits & _SIGN:
        return 0
    shift = 8 * (exponent - _MANTISSA_BYTES)
    target = mantissa << shift if shift > 0 else mantissa >> -shift
    return target if target.bit_length() <= _HASH_BITS else 0

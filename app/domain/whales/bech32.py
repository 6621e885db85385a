"""Bech32 and Bech32m, in which addresses of witness programs are written (BIP 173 and BIP 350)."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DIGITS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_LONGEST = 90
_CHECK_DIGITS = 6
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
# What the five bits that leave the checksum do to the rest of it, all at once.
_LEAVING = [
    reduce(lambda mask, each: mask ^ (_GENERATORS[each] if bits >> each & 1 else 0), range(5), 0) for bits in range(32)
]
_BECH32, _BECH32M = 1, 0x2BC830A3
_LAST_VERSION = 16
_PROGRAM_BYTES = range(2, 41)
_PROGRAM_BYTES_OF_VERSION_0 = (20, 32)


def is_program(version: int, program: bytes) -> bool:
    """Return whether there can be an address of such a witness program."""
    if version == 0:
        return len(program) in _PROGRAM_BYTES_OF_VERSION_0
    return version <= _LAST_VERSION and len(program) in _PROGRAM_BYTES


def encoded(prefix: str, version: int, program: bytes) -> str:
    """Return the address of a witness program, which `is_program`."""
    groups = [version, *_groups_of(program)]
    check = _polymod([*_expanded(prefix), *groups, *[0] * _CHECK_DIGITS]) ^ _constant(version)
    checksum = [check >> 5 * place & 31 for place in reversed(range(_CHECK_DIGITS))]
    return f"{prefix}1{''.join(_DIGITS[group] for group in groups + checksum)}"


def decoded(address: str) -> tuple[str, int, bytes]:
    """Return prefix, version and witness program of `address`; raise ValueError with a sentence."""
    if address not in {address.lower(), address.upper()}:
        raise ValueError("it mixes capitals and small letters")
    prefix, _, data = address.lower().rpartition("1")
    if len(address) > _LONGEST or not prefix or len(data) <= _CHECK_DIGITS:
        raise ValueError("its length is not that of an address")
    if strange := set(data) - _VALUES.keys():
        raise ValueError(f"it has a {min(strange)!r}, which no such address has")
    groups = [_VALUES[digit] for digit in data]
    version = groups[0]
    if version > _LAST_VERSION:
        raise ValueError(f"its witness version is {version}, and must be from 0 to {_LAST_VERSION}")
    if _polymod([*_expanded(prefix), *groups]) != _constant(version):
        raise ValueError("its checksum is wrong; it was misspelt or cut off")
    program = _bytes_of(groups[1:-_CHECK_DIGITS])
    if not is_program(version, program):
        raise ValueError(f"there is no witness program of {len(program)} bytes in version {version}")
    return prefix, version, program


def _constant(version: int) -> int:
    return _BECH32 if version == 0 else _BECH32M


def _polymod(groups: Iterable[int]) -> int:
    check = 1
    for group in groups:
        check = (check & 0x1FFFFFF) << 5 ^ group ^ _LEAVING[check >> 25]
    return check


def _expanded(prefix: str) -> list[int]:
    codes = prefix.encode()
    return [*(code >> 5 for code in codes), 0, *(code & 31 for code in codes)]


def _groups_of(program: bytes) -> list[int]:
    """Return `program` in groups of 5 bits, the last one filled up with zeros."""
    count = (8 * len(program) + 4) // 5
    number = int.from_bytes(program, "big") << 5 * count - 8 * len(program)
    return [number >> 5 * place & 31 for place in reversed(range(count))]


def _bytes_of(groups: Sequence[int]) -> bytes:
    number = reduce(lambda number, group: number << 5 | group, groups, 0)
    size, spare_bits = divmod(5 * len(groups), 8)
    if spare_bits >= 5 or number & (1 << spare_bits) - 1:  # noqa: PLR2004 - a whole group
        raise ValueError("its last letters say nothing, which no address may")
    return (number >> spare_bits).to_bytes(size, "big")

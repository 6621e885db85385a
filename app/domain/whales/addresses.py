"""Addresses of output scripts, and scripts of addresses, on each network."""

from __future__ import annotations

from typing import NamedTuple

from app.domain.whales import base58, bech32


class _Forms(NamedTuple):
    """How a network writes addresses: the first byte of the two older kinds, and the prefix of witness programs."""

    key_hash: int
    script_hash: int
    prefix: str


_FORMS = {
    "main": _Forms(0x00, 0x05, "bc"),
    "testnet4": _Forms(0x6F, 0xC4, "tb"),
    "signet": _Forms(0x6F, 0xC4, "tb"),
    "regtest": _Forms(0x6F, 0xC4, "bcrt"),
}
_HASH_BYTES = 20
# DUP HASH160 <hash> EQUALVERIFY CHECKSIG, and HASH160 <hash> EQUAL.
_KEY_HASH_HEAD, _KEY_HASH_TAIL = b"\x76\xa9\x14", b"\x88\xac"
_SCRIPT_HASH_HEAD, _SCRIPT_HASH_TAIL = b"\xa9\x14", b"\x87"
_KEY_HASH_BYTES = len(_KEY_HASH_HEAD) + _HASH_BYTES + len(_KEY_HASH_TAIL)
_SCRIPT_HASH_BYTES = len(_SCRIPT_HASH_HEAD) + _HASH_BYTES + len(_SCRIPT_HASH_TAIL)
# OP_1 to OP_16 follow this one.
_BEFORE_OP_1 = 0x50


def address_of(script: bytes, network: str) -> str | None:
    """Return the address of an output script; None for a script that has none, such as a bare public key.

    Args:
        script: As it stands in the output.
        network: A value of BITCOIN_NETWORK; testnet4 and signet write addresses alike.
    """
    forms = _FORMS[network]
    if len(script) == _KEY_HASH_BYTES and script.startswith(_KEY_HASH_HEAD) and script.endswith(_KEY_HASH_TAIL):
        return base58.encoded(bytes([forms.key_hash]) + script[len(_KEY_HASH_HEAD) :][:_HASH_BYTES])
    if (
        len(script) == _SCRIPT_HASH_BYTES
        and script.startswith(_SCRIPT_HASH_HEAD)
        and script.endswith(_SCRIPT_HASH_TAIL)
    ):
        return base58.encoded(bytes([forms.script_hash]) + script[len(_SCRIPT_HASH_HEAD) :][:_HASH_BYTES])
    if len(script) < 2 or len(script) != 2 + script[1]:  # noqa: PLR2004 - version and length stand before the program
        return None
    version = script[0] - _BEFORE_OP_1 if script[0] else 0
    if version < 0 or (script[0] and version == 0) or not bech32.is_program(version, script[2:]):
        return None
    return bech32.encoded(forms.prefix, version, script[2:])


def script_of(address: str, network: str) -> bytes:
    """Return the output script that `address` stands for.

    Raises:
        ValueError: It is no address of `network`; the message is a sentence about it.
    """
    forms = _FORMS[network]
    if "1" in address and address.lower().rpartition("1")[0] in {each.prefix for each in _FORMS.values()}:
        prefix, version, program = bech32.decoded(address)
        if prefix != forms.prefix:
            raise ValueError(f"it is of another network than {network}")
        return bytes([version + _BEFORE_OP_1 if version else 0, len(program)]) + program
    payload = base58.decoded(address, 1 + _HASH_BYTES)
    if payload[0] == forms.key_hash:
        return _KEY_HASH_HEAD + payload[1:] + _KEY_HASH_TAIL
    if payload[0] == forms.script_hash:
        return _SCRIPT_HASH_HEAD + payload[1:] + _SCRIPT_HASH_TAIL
    raise ValueError(f"it is of another network than {network}, or no address")

"""Base58Check, in which addresses of the first kinds are written."""

from __future__ import annotations

from hashlib import sha256

_DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_CHECK_BYTES = 4


def encoded(payload: bytes) -> str:
    """Return `payload` with its checksum, as text."""
    whole = payload + _checksum(payload)
    number = int.from_bytes(whole, "big")
    text = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    # Zeros in front say nothing to a number.
    return _DIGITS[0] * (len(whole) - len(whole.lstrip(b"\0"))) + text


def decoded(text: str, payload_bytes: int) -> bytes:
    """Return the payload of `payload_bytes` that `text` stands for; raise ValueError with a sentence."""
    number = 0
    for digit in text:
        value = _VALUES.get(digit)
        if value is None:
            raise ValueError(f"it has a {digit!r}, which no address has")
        number = number * len(_DIGITS) + value
    try:
        whole = number.to_bytes(payload_bytes + _CHECK_BYTES, "big")
    except OverflowError:
        raise ValueError("it is too long for an address") from None
    zeros = len(whole) - len(whole.lstrip(b"\0"))
    if len(text) - len(text.lstrip(_DIGITS[0])) != zeros:
        raise ValueError("its length is not that of an address")
    payload, check = whole[:payload_bytes], whole[payload_bytes:]
    if _checksum(payload) != check:
        raise ValueError("its checksum is wrong; it was misspelt or cut off")
    return payload


def _checksum(payload: bytes) -> bytes:
    return sha256(sha256(payload).digest()).digest()[:_CHECK_BYTES]

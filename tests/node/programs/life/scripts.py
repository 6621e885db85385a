"""The scripts that all coins of the generator lie on: standard, as large as P2WPKH, and spent without a signature."""

from __future__ import annotations

import hashlib

COUNT = 4096
# The last of them are those of exchanges: nobody pays to them by chance.
FIRST_EXCHANGE = COUNT - 16
_PUSH_32, _EQUAL, _NOT = b"\x20", b"\x87", b"\x91"


class Scripts:
    """P2WSH of `<32 bytes> EQUAL NOT`: any other item spends it.

    A few thousand of them belong to a seed, so the coins can be found again in the UTXO set without a file.
    """

    def __init__(self, seed: int) -> None:
        secrets = (hashlib.sha256(f"script/{seed}/{number}".encode()).digest() for number in range(COUNT))
        self.witness = [_PUSH_32 + secret + _EQUAL + _NOT for secret in secrets]
        self.output = [b"\x00\x20" + hashlib.sha256(script).digest() for script in self.witness]
        self._numbers = {script.hex(): number for number, script in enumerate(self.output)}

    def number_of(self, output_script_hex: str) -> int | None:
        """Return which of ours an output script is; None for anybody else's."""
        return self._numbers.get(output_script_hex)

    def descriptor(self, number: int) -> str:
        """Return the script in the form that bitcoind's calls take."""
        return f"raw({self.output[number].hex()})"


def is_exchange(script: int | bytes) -> bool:
    """Return whether a script, by its number, is one of an exchange; those of strangers, in bytes, never are."""
    return isinstance(script, int) and script >= FIRST_EXCHANGE

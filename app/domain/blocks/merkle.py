"""Merkle roots: one hash that commits to a list of hashes."""

from __future__ import annotations

from hashlib import sha256

from app.domain.blocks.malformed import MalformedBlockError


def merkle_root(hashes: list[bytes]) -> bytes:
    """Return the root over `hashes`, at least one; all in the order in which they are hashed.

    Raises:
        MalformedBlockError: Two are equal: a list with repetitions can have the root of one without.
    """
    if len(set(hashes)) != len(hashes):
        raise MalformedBlockError("transactions are repeated")
    level = hashes
    while len(level) > 1:
        if len(level) % 2:
            level = [*level, level[-1]]
        each = iter(level)
        # In place of double_sha256: a block takes thousands of these, and the call is a tenth of each.
        level = [sha256(sha256(left + right).digest()).digest() for left, right in zip(each, each, strict=True)]
    return level[0]

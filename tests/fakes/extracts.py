"""Extracts of whole windows, made at once."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.blocks.block import read_block
from app.domain.price.extract import BlockExtract, extract_block
from app.domain.price.parents import with_parents


def window_extracts(raw_blocks: Sequence[bytes], first_height: int) -> list[BlockExtract]:
    """Return the extracts of consecutive blocks, their parents searched for in all of them."""
    chain = [extract_block(read_block(raw), height) for height, raw in enumerate(raw_blocks, start=first_height)]
    return with_parents(chain, range(len(chain)))

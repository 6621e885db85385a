"""The published method's figures, and the chains that they belong to."""

from __future__ import annotations

import functools
import hashlib
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chains import Config, build

CHECKOUT = Path(__file__).resolve().parents[2]
FIXTURES = CHECKOUT / "tests" / "fixtures" / "price"
# Material that does not belong to the project lies beside the checkout, or it does not.
BESIDE = CHECKOUT.parent / "shared"

CASES: dict[str, dict[str, Any]] = json.loads((FIXTURES / "expected.json").read_text())["cases"]
COMMITTED = "small-150-88000"

_MAGIC = bytes.fromhex("f9beb4d9")


def beside(path: str) -> Path:
    """Return a path beside the checkout; skip the test where there is none."""
    found = BESIDE / path
    if not found.exists():
        pytest.skip(f"{found} is not here: this test needs material that is kept beside the checkout")
    return found


@functools.cache
def chain(name: str) -> dict[int, bytes]:
    """Return the blocks of a case by height; the chain that is committed, or one made anew."""
    case = CASES[name]
    raw_blocks = _committed() if name == COMMITTED else [block.raw for block in build(Config(**case["config"])).blocks]
    assert hashlib.sha256(b"".join(raw_blocks)).hexdigest() == case["blocks_sha256"]
    return dict(enumerate(raw_blocks, start=case["first_height"]))


def times(name: str) -> Callable[[int], int | None]:
    """Return the header times of a case's chain, by height."""
    return {height: int.from_bytes(raw[68:72], "little") for height, raw in chain(name).items()}.get


def _committed() -> list[bytes]:
    content, at, blocks = lzma.decompress((FIXTURES / f"{COMMITTED}.blk.xz").read_bytes()), 0, []
    while at < len(content):
        assert content[at : at + 4] == _MAGIC
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        blocks.append(content[at + 8 : at + 8 + size])
        at += 8 + size
    return blocks

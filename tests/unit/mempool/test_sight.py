"""When two hardly look at the same mempool."""

from __future__ import annotations

import pytest

from app.domain.mempool.sight import MempoolSight, contradicts


def sight(vsize_vb: int) -> MempoolSight:
    return MempoolSight(max(1, vsize_vb // 250), vsize_vb)


@pytest.mark.parametrize(
    ("theirs_vb", "ours_vb", "expected"),
    [
        (5_300_000, 5_300_000, False),
        # More than a block, and less than half: traffic of a busy minute.
        (50_000_000, 40_000_000, False),
        # More than half, and less than a block: a mempool that was just mined.
        (900_000, 100, False),
        (2_000_000, 1_000_000, False),
        (2_000_001, 1_000_000, True),
        (50_000_000, 300, True),
        (300, 50_000_000, True),
    ],
)
def test_only_both_more_than_half_and_more_than_a_block_apart_is_a_contradiction(
    theirs_vb: int, ours_vb: int, *, expected: bool
) -> None:
    assert contradicts(sight(theirs_vb), sight(ours_vb)) is expected


def test_who_sees_nothing_contradicts_nobody_but_is_contradicted() -> None:
    nothing = MempoolSight(0, 0)
    assert not contradicts(nothing, sight(50_000_000))
    assert contradicts(sight(50_000_000), nothing)

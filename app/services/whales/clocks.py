"""The two clocks: what people call the time, and what measures how long something took."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Both of them; only `seconds` never jumps.

    Attributes:
        now: The time, aware.
        seconds: Since any moment.
    """

    now: Callable[[], datetime] = _utc_now
    seconds: Callable[[], float] = time.monotonic

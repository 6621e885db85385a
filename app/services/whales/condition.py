"""How the detector is, for health and for the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.services.heartbeats import State


@dataclass(slots=True)
class Condition:
    """What is wrong at present, and figures.

    Attributes:
        problems: What is wrong by its kind (`node`, `store`, `stream`, `blocks`, `memory`), in words for operators.
        figures: For health: how much is followed, waits, was lost.
    """

    problems: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """How it is, in a word."""
        return "degraded" if self.problems else "ok"

    def set(self, kind: str, problem: str | None) -> bool:
        """Note what is wrong in one respect, None for nothing; return whether that is new."""
        before = self.problems.get(kind)
        if problem is None:
            self.problems.pop(kind, None)
        else:
            self.problems[kind] = problem
        return (before is None) != (problem is None)

    def detail(self) -> dict[str, Any]:
        """Return all of it as it is kept with the heartbeat."""
        return {**self.figures, "problems": dict(self.problems)}

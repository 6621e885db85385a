"""What is known about one setting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.config.kinds import Kind

PLACEHOLDER_PREFIX = "change-me"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is known about one setting.

    Attributes:
        kind: Parses the text of the environment into the typed value, or says what is wrong with it.
        default: The default as text, as it would stand in `.env`; None when there is none.
        meaning: One sentence for operators.
        secret: Never shown; `.env.example` has a placeholder for it, which is refused when left in place.
        generated: Made on the host when the operator gives none.
        awaits: What must be built before the setting has an effect; empty when it has one.
    """

    kind: Kind[Any]
    default: str | None
    meaning: str
    secret: bool = False
    generated: bool = False
    awaits: str = ""

    @property
    def whole_meaning(self) -> str:
        """The meaning, and whether it is only a promise."""
        return f"{self.meaning} No effect before {self.awaits}." if self.awaits else self.meaning


def setting(  # noqa: PLR0913 - as the fields of Declaration, each named
    kind: Kind[Any],
    default: str | None,
    meaning: str,
    *,
    secret: bool = False,
    generated: bool = False,
    awaits: str = "",
) -> Any:  # noqa: ANN401 - as dataclasses.field, typed as the value it will hold
    """Return a field of `Settings` with its declaration."""
    declared = Declaration(kind, default, meaning, secret=secret, generated=generated, awaits=awaits)
    return field(metadata={"declaration": declared})

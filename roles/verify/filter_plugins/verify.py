"""What the programs of the acceptance test found; one that could not run is a failure with its name, like any other.

They run on the controller.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Of a traceback, the end tells most.
TEXT_MAX = 1500


def report(result: dict[str, Any]) -> dict[str, Any]:
    """Return {"failures", "remarks", "count", "started"} of one program, whatever became of it."""
    found: dict[str, Any] = {"failures": [], "remarks": [], "count": 0, "started": False}
    told = printed(result)
    if told is None:
        return {**found, "failures": [f"verify: {result.get('item', 'program')}: could not run: {reason(result)}"]}
    return {**found, **told}


def printed(result: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the program printed; None if it did not come to its end."""
    if result.get("rc") != 0:
        return None
    try:
        told = json.loads(result.get("stdout") or "")
    except ValueError:
        return None
    return told if isinstance(told, dict) and "failures" in told else None


def reason(result: dict[str, Any]) -> str:
    """Return on one line what is known of why a program did not come to its end."""
    told = next((str(result[key]) for key in ("stderr", "module_stderr", "msg") if result.get(key)), "it says nothing")
    return " / ".join(line.strip() for line in told.splitlines() if line.strip())[-TEXT_MAX:]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """Return the filters by their names in templates."""
        return {"verify_report": report}

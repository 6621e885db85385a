"""Filters that judge the operator's variables before anything is done with them; they run on the controller."""

from __future__ import annotations

import difflib
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


@cache
def known_variables(roles: str) -> frozenset[str]:
    """Return every variable that the argument specs of the roles in the directory `roles` know."""
    known: set[str] = set()
    for specs in Path(roles).glob("*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(specs.read_text(encoding="utf-8"))["argument_specs"].values():
            known.update(entry.get("options", {}))
    return frozenset(known)


def unknown_variables(names: Iterable[str], roles: str) -> list[str]:
    """Return a sentence for each name that starts like a role's variables and that no role knows."""
    known = known_variables(roles)
    # The names come from the roles there are, so that a role added later is covered from its first day.
    prefixes = tuple(f"{role.parent.parent.name}_" for role in Path(roles).glob("*/meta/argument_specs.yml"))
    return [
        f"{name} is not a variable of ours{_nearest(name, known)}"
        for name in sorted(set(names) - known)
        if name.startswith(prefixes)
    ]


def settings_problems(values: Mapping[str, Any], checkout: str) -> list[str]:
    """Return a sentence for each value that the application's own declaration of settings would refuse.

    Args:
        values: By variable name (`settings_` and the key in lower case), as the inventory gives them.
        checkout: Directory in which `app/` lies; the declaration needs nothing but Python.
    """
    if checkout not in sys.path:
        sys.path.insert(0, checkout)
    from app.config.contradictions import contradictions  # noqa: PLC0415 - importable only from here on
    from app.config.declaration import declarations  # noqa: PLC0415 - likewise

    problems, parsed = [], {}
    for key, declared in declarations():
        name = f"settings_{key.lower()}"
        text = _as_text(values.get(name, declared.default))
        if declared.generated and not text:
            continue
        try:
            parsed[key.lower()] = declared.kind.read(text)
        except ValueError as error:
            problems.append(f"{name} {error}")
    # The operator knows settings by the names of their variables.
    return problems + [
        re.sub(r"\b[A-Z]+(_[A-Z]+)+\b", lambda found: f"settings_{found.group().lower()}", sentence)
        for sentence in contradictions(parsed)
    ]


def _as_text(value: object) -> str:
    """Return `value` as the settings file would have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "; take it out"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filters by their names in templates."""
        return {"preflight_unknown_variables": unknown_variables, "preflight_settings_problems": settings_problems}

"""Load the programs that roles send to a host, as modules."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

CHECKOUT = Path(__file__).resolve().parents[2]
ROLES = CHECKOUT / "roles"


@cache
def program(path: str) -> ModuleType:
    """Return the program at `path` below roles/ as a module."""
    name = "role_" + path.removesuffix(".py").replace("/", "_")
    spec = importlib.util.spec_from_file_location(name, ROLES / path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module  # type: ignore[no-any-return] # a module, whose attributes are not known

"""The application's own acceptance test: named checks, each looked at even when others fail."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.services.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_log = logging.getLogger(__name__)

Status = Literal["ok", "warning", "failed"]


class CheckFailedError(Exception):
    """Something is wrong with the appliance; the message says what, and what to do."""


class CheckWarning(Exception):  # noqa: N818 - not an error, but it ends a check like one
    """Something deserves a look, but is not the appliance's own fault."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; the message of one that is ok says what was seen."""

    name: str
    status: Status
    message: str


def examine(checks: Mapping[str, Callable[[], str]]) -> Sequence[Finding]:
    """Run every check, in order, and return what each found.

    A check returns what it saw, or raises CheckWarning or CheckFailedError; anything else that it raises fails it too.
    """
    return [_examined(name, check) for name, check in checks.items()]


def is_accepted(findings: Sequence[Finding]) -> bool:
    """Return whether nothing failed; warnings are allowed."""
    return all(finding.status != "failed" for finding in findings)


def _examined(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", check())
    except CheckWarning as warning:
        return Finding(name, "warning", str(warning))
    except (CheckFailedError, StorageError) as failure:
        return Finding(name, "failed", str(failure))
    except Exception as error:  # noqa: BLE001 - the other checks must run all the same
        _log.exception("a check failed in a way nobody foresaw")
        return Finding(name, "failed", f"the check itself failed: {type(error).__name__}: {error}")

#!/usr/bin/env python3
"""Install Debian packages that are missing: `python3 tests/node/install_packages.py PACKAGE…`; silent when none is."""

from __future__ import annotations

import os
import subprocess
import sys
import time

_ATTEMPTS = 4
_PAUSE_SECONDS = 5
_APT = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")


def install(names: list[str]) -> None:
    """Install those of `names` that are not there, without what they merely recommend; through sudo unless root.

    Raises:
        SystemExit: apt-get failed, or this machine has none.
    """
    wanted = missing(names)
    if not wanted:
        return
    for attempt in range(1, _ATTEMPTS + 1):
        # A mirror that is being updated right now answers with lists that do not fit together.
        if apt_get("update") and apt_get("install", "--yes", "--no-install-recommends", *wanted):
            return
        if attempt < _ATTEMPTS:
            time.sleep(_PAUSE_SECONDS * attempt)
    raise SystemExit(f"apt-get could not install {' '.join(wanted)}; its words are above")


def missing(names: list[str]) -> list[str]:
    """Return those of `names` that dpkg does not call installed."""
    try:
        query = subprocess.run(
            ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise SystemExit(
            f"this is neither Debian nor Ubuntu; install {' '.join(names)} by your system's means"
        ) from None
    there = {line.split()[0] for line in query.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in there]


def apt_get(*arguments: str) -> bool:
    """Run apt-get as root; return whether it succeeded."""
    root = os.geteuid() == 0
    command = ["env", "DEBIAN_FRONTEND=noninteractive", *_APT, *arguments]
    return subprocess.run(command if root else ["sudo", *command], stdin=None, check=False).returncode == 0


if __name__ == "__main__":
    install(sys.argv[1:])

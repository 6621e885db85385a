"""Bring what runs to what is installed: read by systemd, enabled, started, and on the newest files.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only. It compares instead of being told, so that a deploy finishes what an interrupted one left.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

PROPERTIES = (
    "Id,ActiveState,UnitFileState,NeedDaemonReload,FragmentPath,DropInPaths,"
    "ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic"
)
Unit = dict[str, str]


def main(text: str) -> None:
    """Print {"done"}, a sentence for each change, for `text`, JSON of what should run.

    In check mode nothing is changed, and the sentences say what would be. Exits 2 with the last lines of its log for
    each unit that does not start.
    """
    asked = json.loads(text)
    names = [*asked["services"], *asked["timers"]]
    done: list[str] = []
    stale = [unit["Id"] for unit in units([*names, *asked["jobs"]]) if unit["NeedDaemonReload"] == "yes"]
    if stale:
        done.append(f"read again {', '.join(stale)}")
    if stale and not asked["check"]:
        systemctl("daemon-reload")
    found = {unit["Id"]: unit for unit in units(names)}
    disabled = [name for name in names if found[name]["UnitFileState"] != "enabled"]
    shared = (asked["settings"], asked["current"])
    outdated = [name for name in asked["services"] if is_older(found[name], "ExecMainStartTimestampMonotonic", *shared)]
    outdated += [name for name in asked["timers"] if is_older(found[name], "ActiveEnterTimestampMonotonic")]
    stopped = [name for name in names if found[name]["ActiveState"] != "active"]
    restart = [name for name in names if name in outdated or name in stopped]
    if disabled:
        done.append(f"enabled {', '.join(disabled)}")
    if restart:
        done.append(f"started {', '.join(restart)}")
    if not asked["check"]:
        if disabled:
            systemctl("enable", *disabled)
        if restart:
            start(restart)
    sys.stdout.write(json.dumps({"done": done}))


def units(names: list[str]) -> list[Unit]:
    """Return properties of each unit, as systemd has them; all but the name are empty for one that it has not."""
    blocks = systemctl("show", "--property", PROPERTIES, *names).strip().split("\n\n")
    return [dict(line.split("=", 1) for line in block.splitlines()) for block in blocks]


def is_older(unit: Unit, since: str, *others: str) -> bool:
    """Return whether a running unit was started before any of its own files, or of `others`, was written.

    By time, since root in a container may not look into the processes of others. Of a link, its own time counts.
    """
    names = (unit["FragmentPath"], *unit["DropInPaths"].split(), *others)
    files = [Path(name) for name in names if name and os.path.lexists(name)]
    started = time.time() - time.monotonic() + int(unit[since]) / 1e6
    return unit["ActiveState"] == "active" and started < max((file.lstat().st_mtime for file in files), default=0)


def start(names: list[str]) -> None:
    """Start units, again if they run; leave with 2 and what their logs say if any does not come up."""
    said = subprocess.run(  # noqa: S603 - our own units
        ["systemctl", "restart", *names],  # noqa: S607 - systemd's own command
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode == 0:
        return
    failed = [unit["Id"] for unit in units(names) if unit["ActiveState"] != "active"]
    sentences = [f"{name} does not start: {log(name)}" for name in failed] or [said.stderr.strip()]
    sys.stderr.write("\n".join([*sentences, "Mend what is told above, then deploy again."]))
    raise SystemExit(2)


def log(name: str) -> str:
    """Return the last lines that the unit's newest run wrote."""
    invocation = systemctl("show", "--value", "--property", "InvocationID", name).strip()
    journal = [
        "journalctl",
        "--quiet",
        "--no-pager",
        "--output=cat",
        "--lines=30",
        f"_SYSTEMD_INVOCATION_ID={invocation}",
    ]
    return subprocess.run(journal, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


def systemctl(*words: str) -> str:
    """Return what systemctl prints; leave with 2 and what it said if it fails."""
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode != 0:
        sys.stderr.write(f"systemctl {words[0]}: {done.stderr.strip()}")
        raise SystemExit(2)
    return done.stdout

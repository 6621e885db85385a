"""Let nginx read what was changed since it last read anything.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only. It compares instead of being told, so that a deploy finishes what an interrupted one left, or what another site
that was wrong kept from being read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_SECONDS = 10
WORKER = b"nginx: worker process"
# Of a process' stat, counted after the name in parentheses: the parent, and the start in ticks since the host's boot.
PARENT, START = 1, 19


def main(text: str) -> None:
    """Print {"changed"} for `text`, JSON of {"paths", "check"}; exit 2 with a sentence on failure.

    Of a directory among the paths it counts when a file came or went, so that the loss of a site is noticed.
    """
    asked = json.loads(text)
    changed = newest_change(asked["paths"])
    needed = is_behind(changed)
    if needed and not asked["check"]:
        run("nginx", "-t", "-q")
        run("systemctl", "reload", "nginx.service")
        wait(changed)
    sys.stdout.write(json.dumps({"changed": needed}))


def newest_change(paths: list[str]) -> float:
    """Return when the newest of the paths was changed, content or not: an old file that is moved here is news."""
    # What a link leads to is what is read.
    return max((os.stat(path).st_ctime for path in paths if os.path.exists(path)), default=0.0)  # noqa: PTH116, PTH110


def is_behind(changed: float) -> bool:
    """Return whether nginx runs, and has read everything before `changed`."""
    last = last_read(int(run("systemctl", "show", "--value", "--property", "MainPID", "nginx.service") or 0))
    return last is not None and last < changed


def last_read(master: int, proc: Path = Path("/proc")) -> float | None:
    """Return when the oldest worker of `master` started, which is when nginx last took its files; None without any.

    A newer one may have come after a crash, with the configuration of those that it joined. Root in a container cannot
    look into the processes of others; what is asked here is everybody's to see.
    """
    started = [
        start
        for directory in proc.iterdir()
        if directory.name.isdigit() and (start := worker_start(directory, master)) is not None
    ]
    return min(started, default=None)


def worker_start(process: Path, master: int) -> float | None:
    """Return when a worker of `master` started, by the time of day; None for another process, or one that goes."""
    try:
        title = (process / "cmdline").read_bytes().rstrip(b"\0 ")
        fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    # One that still serves old connections calls itself otherwise.
    if title != WORKER or int(fields[PARENT]) != master:
        return None
    since_boot = int(fields[START]) / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot


def wait(changed: float) -> None:
    """Wait until nginx has new workers; leave with 2 when it goes on with the old ones."""
    end = time.monotonic() + PATIENCE_SECONDS
    while is_behind(changed):
        if time.monotonic() >= end:
            sys.stderr.write("nginx goes on with what it had; see /var/log/nginx/error.log, mend it, and deploy again")
            raise SystemExit(2)
        time.sleep(0.1)


def run(*command: str) -> str:
    """Return what a command prints; leave with 2 and what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed commands
    if done.returncode != 0:
        sys.stderr.write(f"{' '.join(command[:2])}: {done.stderr.strip()}")
        raise SystemExit(2)
    return done.stdout.strip()

"""Let a release be the current one, with the settings that were written for it, and remove those that are too many.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

MARKER = ".complete"


def main(text: str) -> None:
    """Print {"switched", "removed"} for `text`, JSON of what `__release_switch_question` holds.

    Exits 2 with a sentence when the release is not whole.
    """
    asked = json.loads(text)
    home, check = Path(asked["home"]), asked["check"]
    release = home / "releases" / asked["version"]
    if not (release / MARKER).exists() and not check:
        sys.stderr.write(f"{release} is not installed; deploy without --tags, or with --tags release first")
        raise SystemExit(2)
    settings, fresh = Path(asked["settings"]), Path(asked["next_settings"])
    switched = target(home / "current") != release or differs(settings, fresh)
    if switched and not check:
        adopt(settings, fresh)
        switch(home, release)
    removed = surplus(home, release, asked["keep"])
    for each in removed if not check else ():
        shutil.rmtree(each)
    sys.stdout.write(json.dumps({"switched": switched, "removed": [str(each) for each in removed]}))


def target(link: Path) -> Path | None:
    """Return where `link` leads to; None when there is no link."""
    return link.readlink() if link.is_symlink() else None


def differs(settings: Path, fresh: Path) -> bool:
    """Return whether there are settings for this release other than those that are in service."""
    return fresh.exists() and not (settings.exists() and settings.read_bytes() == fresh.read_bytes())


def adopt(settings: Path, fresh: Path) -> None:
    """Put settings into the place of the last ones in one step; equal ones stay, so that no service is restarted."""
    if not differs(settings, fresh):
        return
    half = settings.with_name(f"{settings.name}.half")
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(fresh.read_bytes())
        file.flush()
        os.fsync(descriptor)
    half.replace(settings)


def switch(home: Path, release: Path) -> None:
    """Move the link `current`, in one step, and remember in `previous` where it led to."""
    before = target(home / "current")
    if before == release:
        return
    if before is not None:
        move(home / "previous", before)
    move(home / "current", release)


def move(link: Path, to: Path) -> None:
    """Let `link` lead to `to`; at no moment there is no link, or half a one."""
    fresh = link.with_name(f".{link.name}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(to)
    fresh.replace(link)


def surplus(home: Path, release: Path, keep: int) -> list[Path]:
    """Return the releases to remove: all but the newest `keep`, the current and the previous one.

    One that is not whole is of use to nobody, and counts as the oldest.
    """
    needed = {release, target(home / "current"), target(home / "previous")}
    releases = home / "releases"
    newest_first = sorted(releases.iterdir(), key=completed_at, reverse=True) if releases.is_dir() else []
    room = max(0, keep - len([each for each in newest_first if each in needed]))
    others = [each for each in newest_first if each not in needed]
    whole = [each for each in others if (each / MARKER).exists()]
    return [each for each in others if each not in whole[:room]]


def completed_at(release: Path) -> float:
    """Return when the release was whole; 0 if it never was."""
    marker = release / MARKER
    return marker.stat().st_mtime if marker.exists() else 0.0

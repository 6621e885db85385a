"""Remove old releases: `prune.py HOME KEEP NEW` prints those that went. Runs on the host as root."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def main(home: Path, keep: int, new: Path) -> None:
    """Keep `new`, the one that `current` leads to, and the newest others, `keep` in all."""
    running = (home / "current").resolve()
    releases = [each for each in (home / "releases").iterdir() if each.is_dir() and each not in {new, running}]
    releases.sort(key=lambda release: release.stat().st_mtime, reverse=True)
    for release in releases[max(0, keep - len({new, running})) :]:
        shutil.rmtree(release)
        sys.stdout.write(f"{release}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))

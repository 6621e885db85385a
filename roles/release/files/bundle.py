"""Pack the application of a checkout, the same bytes for the same content: `bundle.py CHECKOUT DIRECTORY`.

Prints {"version", "file"}: the project's version with a digest of the content, and the archive in DIRECTORY. Runs on
the controller, with nothing but the standard library.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
import tomllib
from pathlib import Path

CONTENT = ("app", "migrations", "alembic.ini", "pyproject.toml", "requirements/run.txt")


def main() -> None:
    """Write the archive, unless it is there."""
    checkout, directory = Path(sys.argv[1]), Path(sys.argv[2])
    archive = packed(checkout)
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    version = f"{project}-{hashlib.sha256(archive).hexdigest()[:12]}"
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{version}.tar.gz"
    if not file.exists():
        # Renamed at the end, so that an interrupted run leaves no half archive under this name.
        part = file.with_suffix(".part")
        part.write_bytes(gzip.compress(archive, mtime=0))
        part.rename(file)
    sys.stdout.write(json.dumps({"version": version, "file": str(file)}))


def packed(checkout: Path) -> bytes:
    """Return a tar of the content, without times, owners and compiled files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(files(checkout)):
            entry = tarfile.TarInfo(str(file.relative_to(checkout)))
            entry.size = file.stat().st_size
            entry.mode = 0o644
            with file.open("rb") as content:
                tar.addfile(entry, content)
    return buffer.getvalue()


def files(checkout: Path) -> set[Path]:
    """Return the files that make a release."""
    found: set[Path] = set()
    for name in CONTENT:
        path = checkout / name
        found |= {path} if path.is_file() else {each for each in path.rglob("*") if each.is_file()}
    return {file for file in found if "__pycache__" not in file.parts}


if __name__ == "__main__":
    main()

"""Install a release into a directory of its own, with a virtual environment that pip fills by hash.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

# Written last. It names the Python that the environment was made with: after an upgrade of the distribution another.
MARKER = ".complete"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}\n"


class InstallationError(Exception):
    """A step went wrong; the message says which, why, and what to do."""


def main(text: str) -> None:
    """Print {"changed"} for `text`, JSON of {"directory", "archive", "check"}; exit 2 with a sentence on failure."""
    asked = json.loads(text)
    directory = Path(asked["directory"])
    needed = not is_whole(directory)
    if needed and not asked["check"]:
        try:
            install(directory, base64.b64decode(asked["archive"]))
        except InstallationError as error:
            sys.stderr.write(str(error))
            raise SystemExit(2) from None
    sys.stdout.write(json.dumps({"changed": needed}))


def is_whole(directory: Path) -> bool:
    """Return whether an earlier run came to its end, with the Python that the host has now."""
    marker = directory / MARKER
    return marker.exists() and marker.read_text(encoding="utf-8") == PYTHON


def install(directory: Path, archive: bytes) -> None:
    """Make everything anew; what an interrupted deploy left behind is not trusted."""
    # The service's user reads what root writes here, whatever root's own habit is.
    os.umask(0o022)
    shutil.rmtree(directory, ignore_errors=True)
    unpack(archive, directory)
    run("no virtual environment", [sys.executable, "-m", "venv", str(directory / "venv")])
    python = str(directory / "venv/bin/python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run(
        "pip cannot install requirements/run.txt; the host must reach a package index, and "
        f"`{python} -m pip config list` shows which one it tries",
        [
            *pip,
            "install",
            "--quiet",
            "--require-hashes",
            "--only-binary=:all:",
            "-r",
            f"{directory}/requirements/run.txt",
        ],
    )
    # The sandbox keeps the services from doing this themselves.
    folders = [str(directory / name) for name in ("app", "migrations")]
    run("the application does not compile", [python, "-m", "compileall", "-q", *folders])
    # A marker that survives a power failure must not outlive what it vouches for.
    os.sync()
    (directory / MARKER).write_text(PYTHON, encoding="utf-8")


def unpack(archive: bytes, directory: Path) -> None:
    """Write the files of a tar.gz below `directory`."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        # Python 3.11.2, which Debian 12 has, knows no filters yet.
        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
        tar.extractall(directory)  # noqa: S202 - our own archive


def run(what_failed: str, command: list[str]) -> None:
    """Run a command to its end.

    Raises:
        InstallationError: It failed, with what it said last.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - built above
    if done.returncode != 0:
        raise InstallationError(f"{what_failed}: {(done.stderr or done.stdout).strip()[-2000:]}")

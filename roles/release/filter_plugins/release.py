"""Filters that make a release of a checkout: its version, and its archive. They run on the controller."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = ("app", "migrations", "alembic.ini", "pyproject.toml", "requirements/run.txt")
DIGITS = 12


def version(checkout: str) -> str:
    """Return the project's version with a digest of the content, so that no two releases share a name."""
    project = tomllib.loads((Path(checkout) / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"{project['version']}-{hashlib.sha256(archive(checkout)).hexdigest()[:DIGITS]}"


def packed(checkout: str) -> str:
    """Return the archive as base64 of a tar.gz, ready to travel on standard input."""
    return base64.b64encode(gzip.compress(archive(checkout), mtime=0)).decode("ascii")


def archive(checkout: str) -> bytes:
    """Return a tar that is the same to the last byte for the same content, whoever has it and since when."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files(Path(checkout)):
            entry = tarfile.TarInfo(file.relative_to(checkout).as_posix())
            content = file.read_bytes()
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def files(checkout: Path) -> list[Path]:
    """Return what a release is made of, in order, without compiled files and what editors leave behind."""
    found: list[Path] = []
    for path in (checkout / name for name in CONTENT):
        found += [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sorted(file for file in found if "__pycache__" not in file.parts and not is_leftover(file.name))


def is_leftover(name: str) -> bool:
    """Return whether a file of that name is an editor's, and none of the application's."""
    return name.startswith(".") or name.endswith(("~", ".pyc"))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[[str], str]]:
        """Return the filters by their names in templates."""
        return {"release_version": version, "release_packed": packed}

"""Add an admin with a password made here, while there is no account at all.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import IO

PASSWORD_BYTES = 18


def main(text: str) -> None:
    """Print {"created"} for `text`, JSON of {"command", "environment", "name", "password_file"}.

    Exits 2 with what the command said when it fails.
    """
    asked = json.loads(text)
    command, environment = asked["command"], asked["environment"]
    created = not run([*command, "users", "list"], environment).strip()
    if created:
        # Kept by an interrupted run, perhaps; then it is what its account will have.
        password_file = Path(asked["password_file"])
        if not password_file.exists():
            keep(password_file, secrets.token_urlsafe(PASSWORD_BYTES))
        with password_file.open(encoding="utf-8") as password:
            run(
                [*command, "users", "create", asked["name"], "--role", "admin", "--password-stdin"],
                environment,
                password,
            )
    sys.stdout.write(json.dumps({"created": created}))


def run(command: list[str], environment: dict[str, str], given: IO[str] | None = None) -> str:
    """Return what the command prints; leave with what it said if it fails."""
    done = subprocess.run(  # noqa: S603 - the release's own command
        command,
        env={**os.environ, **environment},
        stdin=given or subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.stderr.write((done.stderr or done.stdout).strip())
        raise SystemExit(2)
    return done.stdout


def keep(file: Path, secret: str) -> None:
    """Write `secret` so that nobody but root ever sees any of it, and that a crash leaves no half of it."""
    fresh = file.with_name(f".{file.name}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(f"{secret}\n")
        stream.flush()
        os.fsync(descriptor)
    fresh.replace(file)

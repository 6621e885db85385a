"""Make the secrets that the host has not got yet, and print what the settings file needs of them.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only. What is there is never changed, so that every deploy finds the secrets of the first.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path

KEY_BYTES = 48


def main(text: str) -> None:
    """Print {"made", "found"} for `text`, JSON of {"directory", "rpc_user", "check"}.

    `found` has values by setting in small letters. The node's RPC user is among them when there is a password for it.
    """
    asked = json.loads(text)
    directory = Path(asked["directory"])
    found = {"jwt_secret_key": read(directory / "jwt_secret_key")}
    made = not found["jwt_secret_key"]
    if made:
        # In check mode it is not kept: any key shows that the file would change.
        found["jwt_secret_key"] = secrets.token_urlsafe(KEY_BYTES)
        if not asked["check"]:
            keep(directory / "jwt_secret_key", found["jwt_secret_key"])
    if asked["rpc_user"] and (rpc_password := read(directory / "bitcoin_rpc_password")):
        found |= {"bitcoin_rpc_user": asked["rpc_user"], "bitcoin_rpc_password": rpc_password}
    sys.stdout.write(json.dumps({"made": made, "found": found}))


def read(file: Path) -> str:
    """Return the secret in `file`; empty when there is none."""
    return file.read_text(encoding="utf-8").strip() if file.exists() else ""


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

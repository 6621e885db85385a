"""Make the secrets that the host has not got yet, and print all of them for the settings file.

`made_secrets.py DIRECTORY PASSWORD_FILE RPC_USER MAY_WRITE` prints {"made", "found"}; runs on the host as root. What is
there is never changed, so that every deploy finds the secrets of the first.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path


def main(directory: Path, password_file: Path, rpc_user: str, *, may_write: bool) -> None:
    """Make the signing key and the first password; read the password of the node's RPC user, if it has one."""
    key_file = directory / "jwt_secret_key"
    made = [str(file) for file in (key_file, password_file) if not file.exists()]
    if may_write:
        for name in made:
            write_new(Path(name), secrets.token_urlsafe(48 if name == str(key_file) else 18))
    # In check mode nothing was made, and any key shows that the file would change.
    found = {"jwt_secret_key": read(key_file) or secrets.token_urlsafe(48)}
    if rpc_user and (rpc_password := read(directory / "bitcoin_rpc_password")):
        found |= {"bitcoin_rpc_user": rpc_user, "bitcoin_rpc_password": rpc_password}
    sys.stdout.write(json.dumps({"made": made, "found": found}))


def read(file: Path) -> str:
    """Return the secret in `file`; empty when there is none."""
    return file.read_text(encoding="utf-8").strip() if file.exists() else ""


def write_new(file: Path, secret: str) -> None:
    """Write `secret` so that nobody but root ever sees any of it, and that a crash leaves no half of it."""
    part = file.with_name(f"{file.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(f"{secret}\n")
        stream.flush()
        os.fsync(stream.fileno())
    part.rename(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], may_write=sys.argv[4] == "true")

"""Check that secrets are out of a stranger's reach, and that the proxy is within everybody's.

Part of the acceptance test, as root. Ansible feeds this file to the host's python3 and appends the call of `main`; it
therefore uses the standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import pwd
import secrets
import ssl
import stat
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST_SECONDS = 10
WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
Check = dict[str, Any]


def main(text: str) -> None:
    """Print {"failures", "count"} for `text`, the JSON of what to check."""
    asked = json.loads(text)
    checks = patiently(partial(every_check, asked), asked["patience_seconds"])
    failures = [f"verify: {check['name']}: {check['message']}" for check in checks if not check["ok"]]
    sys.stdout.write(json.dumps({"failures": failures, "count": len(checks)}))


def patiently(look: Callable[[], list[Check]], patience_seconds: float) -> list[Check]:
    """Return what `look` finds: without a failure, or at the end of patience, since a service may need a moment."""
    end = time.monotonic() + patience_seconds
    while True:
        checks = look()
        if all(check["ok"] for check in checks) or time.monotonic() >= end:
            return checks
        time.sleep(1)


def verdict(name: str, *problems: str) -> Check:
    """Return a check that failed if there is any problem to name, each saying what is wrong and what to do."""
    message = " and ".join(filter(None, problems))
    return {"name": name, "ok": not message, "message": message}


def every_check(asked: dict[str, Any]) -> list[Check]:
    """Return all checks."""
    return [
        verdict("settings_file", private(Path(asked["env_file"]), "root")),
        secrets_made(Path(asked["secrets_dir"]), [Path(name) for name in asked["other_secrets"]]),
        state_directory(Path(asked["state_dir"]), asked["user"]),
        *([proxy_page(asked), proxy_websocket(asked)] if asked["proxy_enabled"] else []),
    ]


def secrets_made(directory: Path, others: list[Path]) -> Check:
    """Secrets that were made on the host are root's alone."""
    if not directory.is_dir():
        return verdict("secrets", f"{directory} is missing; deploy again")
    mode = stat.S_IMODE(directory.stat().st_mode)
    is_open = f"{directory} has mode {mode:04o}; `chmod 700 {directory}`" if mode & 0o077 else ""
    files = [*sorted(directory.iterdir()), *(file for file in others if file.exists())]
    return verdict("secrets", is_open, *(private(file, "root") for file in files))


def state_directory(directory: Path, user: str) -> Check:
    """The database belongs to the service, and no stranger reaches it."""
    uid = pwd.getpwnam(user).pw_uid
    problems = []
    for file in sorted(directory.glob("*.db*")):
        if file.stat().st_uid != uid:
            problems.append(
                f"{file} belongs to {file.stat().st_uid}, which locks the services out; `chown {user} {file}`"
            )
        if readable_by_stranger(file):
            problems.append(f"the user nobody could read {file}; `chmod 750 {directory}`")
    return verdict("state_directory", *problems)


def private(file: Path, owner: str) -> str:
    """Return what is wrong with who may read `file`; nothing when only its owner can."""
    if not file.exists():
        return f"{file} is missing; deploy again"
    found = file.stat()
    mode = stat.S_IMODE(found.st_mode)
    problems = []
    if mode & 0o077 or found.st_uid != pwd.getpwnam(owner).pw_uid:
        problems.append(
            f"{file} has mode {mode:04o} and owner {found.st_uid}; `chown {owner} {file} && chmod 600 {file}`"
        )
    if readable_by_stranger(file):
        problems.append(f"the user nobody could read {file}; close it, and change the secrets in it")
    return " and ".join(problems)


def readable_by_stranger(file: Path) -> bool:
    """Return whether the user nobody really can open `file`."""
    nobody = pwd.getpwnam("nobody")
    done = subprocess.run(  # noqa: S603 - a fixed command
        ["/usr/bin/head", "--bytes=1", "--", str(file)],
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        cwd="/",
        env={"LC_ALL": "C"},
        capture_output=True,
        check=False,
    )
    if done.returncode != 0 and b"Permission denied" not in done.stderr:
        raise OSError(f"the user nobody could not even try to read {file}: {done.stderr.decode(errors='replace')}")
    return done.returncode == 0


def proxy_page(asked: dict[str, Any]) -> Check:
    """The dashboard answers through the proxy."""
    where = f"port {asked['proxy_port']}"
    try:
        connection = connect(asked)
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        return verdict("proxy", f"{where} serves no page ({error}); see `systemctl status nginx`")
    sound = answer.status in {200, 302, 303, 307}
    return verdict("proxy", "" if sound else f"{where} answers with {answer.status}; see nginx's error log")


def proxy_websocket(asked: dict[str, Any]) -> Check:
    """A WebSocket handshake really succeeds through the proxy; a TCP connection would prove nothing."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    expected = base64.b64encode(hashlib.sha1((key + WEBSOCKET_GUID).encode()).digest()).decode()  # noqa: S324 - RFC 6455
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    try:
        connection = connect(asked)
        connection.request("GET", "/ws/whales", headers=headers)
        answer = connection.getresponse()
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        return verdict(
            "proxy_websocket",
            f"no handshake on port {asked['proxy_port']} ({error}); see `systemctl status nginx`",
        )
    if answer.getheader("Sec-WebSocket-Accept") == expected:
        return verdict("proxy_websocket")
    return verdict(
        "proxy_websocket",
        f"the handshake on port {asked['proxy_port']} got {answer.status}; see nginx's error log and the journal",
    )


def connect(asked: dict[str, Any]) -> http.client.HTTPConnection:
    """Return a connection to the proxy of this host, by address, whatever its name."""
    host, port = asked["proxy_address"], asked["proxy_port"]
    if not asked["proxy_tls"]:
        return http.client.HTTPConnection(host, port, timeout=REQUEST_SECONDS)
    context = ssl.create_default_context()
    # The certificate names the operator's host, or nobody that this host trusts; here only the way through counts.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=REQUEST_SECONDS, context=context)

"""Check that secrets are out of a stranger's reach, and that the proxy is within everybody's.

Part of the acceptance test, as root. Ansible feeds this file to the host's python3 and appends the call of `main`; it
therefore uses the standard library only.
"""

from __future__ import annotations

import base64
import glob
import hashlib
import http.client
import json
import pwd
import re
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
# The second is that of clients of the earlier system, at the root of the origin, where a page is otherwise.
WEBSOCKET_PATHS = ("/ws/whales", "/")
# What the page for signing in says whatever the state of the appliance, and nobody else's does.
OUR_PAGE = b"utxoracle appliance</title>"
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
    others = [Path(name) for name in asked["other_secrets"]]
    return [
        guarded("settings_file", lambda: verdict("settings_file", private(Path(asked["env_file"]), "root"))),
        guarded("secrets", partial(secrets_made, Path(asked["secrets_dir"]), others)),
        guarded("state_directory", partial(state_directory, asked)),
        *([proxy_page(asked), proxy_websocket(asked)] if asked["proxy_enabled"] else []),
    ]


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """Return what `look` finds; that it could not look is a failure of this check, and of no other."""
    try:
        return look()
    except (OSError, subprocess.SubprocessError) as error:
        return verdict(name, f"cannot be looked at ({error}); run verify again, or see `journalctl -k`")


def secrets_made(directory: Path, others: list[Path]) -> Check:
    """Secrets that were made on the host are root's alone."""
    if not directory.is_dir():
        return verdict("secrets", f"{directory} is missing; deploy again")
    mode = stat.S_IMODE(directory.stat().st_mode)
    is_open = f"{directory} has mode {mode:04o}; `chmod 700 {directory}`" if mode & 0o077 else ""
    files = [*sorted(directory.iterdir()), *(file for file in others if file.exists())]
    return verdict("secrets", is_open, *(private(file, "root") for file in files))


def state_directory(asked: dict[str, Any]) -> Check:
    """The database is where the settings say, belongs to the service, and no stranger reaches it."""
    directory, user = Path(asked["state_dir"]), asked["user"]
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError:
        return verdict("state_directory", f"there is no user {user}; deploy again")
    if not directory.is_dir():
        return verdict("state_directory", f"{directory} is missing; deploy again")
    # Of PostgreSQL there is no file.
    database = Path(asked["database_file"]) if asked["database_file"] else None
    is_gone = f"{database} is missing; put a copy back, or deploy again" if database and not database.exists() else ""
    files = {*directory.glob("*.db*"), *(database.parent.glob(f"{glob.escape(database.name)}*") if database else ())}
    return verdict("state_directory", is_gone, *(reserved(file, user, uid) for file in sorted(files)))


def reserved(file: Path, user: str, uid: int) -> str:
    """Return what is wrong with a file of the database; nothing when it is only for the service, or gone by now."""
    try:
        owner = file.stat().st_uid
    except FileNotFoundError:
        return ""
    belongs = f"{file} belongs to {owner}, which locks the services out; `chown {user} {file}`" if owner != uid else ""
    is_open = ""
    if readable_by_stranger(file):
        is_open = f"the user nobody could read {file}; `chmod 700 {file.parent}`, or `chmod 600 {file}`"
    return " and ".join(filter(None, (belongs, is_open)))


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
    # What SQLite keeps beside its file comes and goes.
    if done.returncode != 0 and not re.search(rb"Permission denied|No such file", done.stderr):
        raise OSError(f"the user nobody could not even try to read {file}: {done.stderr.decode(errors='replace')}")
    return done.returncode == 0


def proxy_page(asked: dict[str, Any]) -> Check:
    """The dashboard answers through the proxy."""
    where = f"port {asked['proxy_port']}"
    try:
        connection = connect(asked)
        connection.request("GET", "/login")
        answer = connection.getresponse()
        page = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return verdict("proxy", f"{where} serves no page ({error}); see `systemctl status nginx`")
    if answer.status != http.client.OK:
        return verdict("proxy", f"{where} answers with {answer.status}; see nginx's error log")
    is_ours = OUR_PAGE in page
    return verdict("proxy", "" if is_ours else f"{where} shows a page that is not ours; see `nginx -T` and who listens")


def proxy_websocket(asked: dict[str, Any]) -> Check:
    """A WebSocket handshake really succeeds through the proxy; a TCP connection would prove nothing."""
    refusals = (refused_handshake(asked, path) for path in WEBSOCKET_PATHS)
    return verdict("proxy_websocket", next(filter(None, refusals), ""))


def refused_handshake(asked: dict[str, Any], path: str) -> str:
    """Return why there is no handshake at `path`; nothing when there is."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    expected = base64.b64encode(hashlib.sha1((key + WEBSOCKET_GUID).encode()).digest()).decode()  # noqa: S324 - RFC 6455
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    where = f"at {path} on port {asked['proxy_port']}"
    try:
        connection = connect(asked)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        return f"no handshake {where} ({error}); see `systemctl status nginx`"
    if answer.getheader("Sec-WebSocket-Accept") == expected:
        return ""
    return f"the handshake {where} got {answer.status}; see nginx's error log and the journal"


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

"""Add to an operator's bitcoin.conf what is missing, in one marked block above the first section.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

BEGIN = "# BEGIN utxoracle: added by Ansible's role node; change the inventory instead"
END = "# END utxoracle"
_BLOCK = re.compile(rf"^{re.escape(BEGIN)}\r?\n.*?^{re.escape(END)}\r?\n", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^[ \t]*\[([^\]\r\n]*)\]", re.MULTILINE)
_UNAUTHORISED, _FORBIDDEN = 401, 403


@dataclass(frozen=True)
class Wanted:
    """What the appliance needs of bitcoind.

    Attributes:
        section: Name of the network's section in bitcoin.conf: main, testnet4, signet or regtest.
        options: Single options in order, name to value; one that is there already is left as it is.
        user: Name of the RPC user to make; empty when the operator gave credentials.
        password: That user's password; empty when none is known yet.
        calls: RPC calls that the user may make.
    """

    section: str
    options: dict[str, str]
    user: str = ""
    password: str = ""
    calls: tuple[str, ...] = ()


@dataclass
class Plan:
    """The new text, the password that goes with it, and what the operator should know."""

    text: str
    password: str
    added: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class PasswordUnknownError(Exception):
    """The operator's file has our user, and nobody told us the password."""


def plan(text: str, wanted: Wanted) -> Plan:
    """Return `text` with one block of ours that holds what the rest of it lacks.

    A block from an earlier run is replaced, and stays as it is to the last byte when nothing changed.

    Raises:
        PasswordUnknownError: The operator's own lines have the user with another password than ours.
    """
    theirs, block = split(text)
    result = Plan(text, wanted.password)
    present = options_of(theirs, wanted.section)
    lines = []
    for name, value in wanted.options.items():
        if name not in present:
            lines.append(f"{name}={value}")
        elif present[name][0] != value and not name.startswith("zmqpub"):
            result.notes.append(f"bitcoin.conf says {name}={present[name][0]}; it was left, {value} would be better")
        elif name.endswith("hwm") and present[name][0].isdigit() and int(present[name][0]) < int(value):
            result.notes.append(f"bitcoin.conf says {name}={present[name][0]}; bursts want {value}")
    if "includeconf" in present:
        result.notes.append("bitcoin.conf includes other files; what they say was not looked at")
    if wanted.user:
        lines += _user_lines(result, wanted, present, options_of(block, wanted.section))
    result.text = insert(theirs, lines)
    before = set(block.splitlines())
    result.added = [_public(line) for line in lines if line not in before]
    return result


def split(text: str) -> tuple[str, str]:
    """Return `text` without our block, and the block."""
    found = _BLOCK.search(text)
    return (text[: found.start()] + text[found.end() :], found.group()) if found else (text, "")


def insert(theirs: str, lines: list[str]) -> str:
    """Return `theirs` with `lines` in a block above the first section, or at the end; as it is without lines."""
    if not lines:
        return theirs
    end_of_line = "\r\n" if "\r\n" in theirs else "\n"
    section = _SECTION.search(theirs)
    at = section.start() if section else len(theirs)
    if section is None and theirs and not theirs.endswith("\n"):
        # Not after the last line, which has no end: adding one would change a line of the operator's.
        at = theirs.rfind("\n") + 1
    return theirs[:at] + end_of_line.join([BEGIN, *lines, END, ""]) + theirs[at:]


def options_of(text: str, section: str) -> dict[str, list[str]]:
    """Return the values of each option that applies to the network `section`, in the order bitcoind prefers them."""
    ours: dict[str, list[str]] = {}
    general: dict[str, list[str]] = {}
    current = ""
    for raw in text.split("\n"):
        line = raw.split("#", 1)[0].strip()
        if line.startswith("[") and line.endswith("]"):
            current = line[1:-1]
            continue
        name, separator, value = (part.strip() for part in line.partition("="))
        if not separator:
            continue
        prefix, dot, bare = name.rpartition(".")
        where = prefix if dot else current
        if bare.startswith("no"):
            bare, value = bare[2:], "0" if value in {"", "1"} else "1"
        if where in {"", section}:
            (ours if where else general).setdefault(bare, []).append(value)
    return {name: ours.get(name, []) + general.get(name, []) for name in {**ours, **general}}


def rpcauth(user: str, password: str, salt: str) -> str:
    """Return bitcoind's way to write a user without the password: HMAC-SHA256 keyed with a salt."""
    digest = hmac.new(salt.encode(), password.encode(), hashlib.sha256).hexdigest()
    return f"{user}:{salt}${digest}"


def is_password_of(password: str, entry: str) -> bool:
    """Return whether `entry`, an rpcauth value, belongs to `password`."""
    user, _, hashed = entry.partition(":")
    return hmac.compare_digest(rpcauth(user, password, hashed.partition("$")[0]), entry)


def _user_lines(result: Plan, wanted: Wanted, present: dict[str, list[str]], before: dict[str, list[str]]) -> list[str]:
    lines = []
    theirs = _of_user(wanted.user, present.get("rpcauth", []))
    if theirs and not any(is_password_of(wanted.password, entry) for entry in theirs):
        raise PasswordUnknownError(
            f"bitcoin.conf already has a user {wanted.user} whose password is not known; set settings_bitcoin_rpc_user "
            "and settings_bitcoin_rpc_password to that user's, or node_rpc_user to a new name"
        )
    if not theirs:
        ours = [
            entry
            for entry in _of_user(wanted.user, before.get("rpcauth", []))
            if wanted.password and is_password_of(wanted.password, entry)
        ]
        result.password = wanted.password or secrets.token_urlsafe(32)
        lines.append("rpcauth=" + (ours or [rpcauth(wanted.user, result.password, secrets.token_hex(16))])[0])
    whitelists = present.get("rpcwhitelist", [])
    if not _of_user(wanted.user, whitelists):
        lines.append(f"rpcwhitelist={wanted.user}:{','.join(wanted.calls)}")
    # With a whitelist of the operator's own and no default, bitcoind refuses everybody else; 0 would let them in.
    if "rpcwhitelistdefault" not in present and (not whitelists or "rpcwhitelistdefault" in before):
        lines.append("rpcwhitelistdefault=0")
    return lines


def _of_user(user: str, entries: list[str]) -> list[str]:
    return [entry for entry in entries if entry.partition(":")[0] == user]


def _public(line: str) -> str:
    return line.partition(":")[0] + ":…" if line.startswith("rpcauth=") else line


# On the host


def main(text: str) -> None:
    """Do what `text`, JSON, asks for, and print what was done; exit 2 with a sentence when it cannot be done."""
    asked = json.loads(text)
    conf = Path(asked["conf"]).resolve()
    password_file = Path(asked["secrets_dir"]) / "bitcoin_rpc_password"
    password = read(password_file).strip() if password_file.exists() else ""
    wanted = Wanted(asked["network"], asked["options"], asked["user"], password, tuple(asked["calls"]))
    try:
        before = read(conf)
        planned = plan(before, wanted)
    except OSError as error:
        leave(f"{conf} cannot be read ({error.strerror}); set node_bitcoin_conf to bitcoind's configuration file")
    except PasswordUnknownError as error:
        leave(str(error))
    changed = planned.text != before
    backup = ""
    if not asked["check"]:
        if wanted.user and planned.password != password:
            keep_secret(password_file, planned.password)
        if changed:
            backup = replace(conf, planned.text)
    credentials = f"{wanted.user}:{planned.password}" if wanted.user else credentials_of(asked)
    in_force = not changed and is_in_force(asked["url"], credentials, is_ours=bool(wanted.user))
    answer = {"changed": changed, "added": planned.added, "notes": planned.notes, "backup": backup}
    sys.stdout.write(json.dumps({**answer, "conf": str(conf), "restart_needed": not in_force}))


def leave(sentence: str) -> None:
    """Print why nothing was done, and exit 2."""
    sys.stderr.write(sentence)
    raise SystemExit(2)


def read(file: Path) -> str:
    """Return the text of `file` with its line ends as they are."""
    return file.read_bytes().decode(errors="surrogateescape")


def replace(file: Path, text: str) -> str:
    """Put `text` into `file` in one step, owner and mode kept; return the name of the backup beside it."""
    status = file.stat()
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    backup = file.with_name(f"{file.name}.{stamp}.backup")
    write(backup, file.read_bytes(), status.st_mode, (status.st_uid, status.st_gid))
    fresh = file.with_name(f".{file.name}.{stamp}")
    write(fresh, text.encode(errors="surrogateescape"), status.st_mode, (status.st_uid, status.st_gid))
    fresh.replace(file)
    return str(backup)


def keep_secret(file: Path, secret: str) -> None:
    """Write `secret` for root alone."""
    file.parent.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = file.with_name(f".{file.name}")
    write(fresh, secret.encode() + b"\n", 0o600, (os.geteuid(), os.getegid()))
    fresh.replace(file)


def write(file: Path, content: bytes, mode: int, owner: tuple[int, int]) -> None:
    """Write `content` durably to a new `file` that nobody else could read meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        file.unlink()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode & 0o7777)
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)


def credentials_of(asked: dict[str, str]) -> str:
    """Return user:password as the operator gave them, or from his cookie file; empty without any."""
    if asked["rpc_user"]:
        return f"{asked['rpc_user']}:{asked['rpc_password']}"
    try:
        return read(Path(asked["rpc_cookie_file"])).strip() if asked["rpc_cookie_file"] else ""
    except OSError:
        return ""


def is_in_force(url: str, credentials: str, *, is_ours: bool) -> bool:
    """Return whether the running bitcoind has read the file: it knows our user, and publishes over ZMQ.

    Unknown counts as yes, as when a user of the operator's may not ask.
    """
    body = json.dumps({"id": "node", "method": "getzmqnotifications", "params": []}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - http(s) by argument spec
    request.add_header("Authorization", "Basic " + base64.b64encode(credentials.encode()).decode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            published = {each["type"] for each in json.load(answer)["result"]}
    except urllib.error.HTTPError as error:
        return not is_ours or error.code not in {_UNAUTHORISED, _FORBIDDEN}
    except (OSError, ValueError):
        return True
    return {"pubrawtx", "pubsequence"} <= published

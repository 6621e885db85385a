"""Add to an operator's bitcoin.conf what is missing, in one marked block above the first section.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

BEGIN = "# BEGIN utxoracle: added by Ansible's role node; change the inventory instead"
END = "# END utxoracle"
_BLOCK = re.compile(rf"^{re.escape(BEGIN)}\r?\n.*?^{re.escape(END)}(?:\r?\n|\Z)", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^[ \t]*\[([^\]\r\n]*)\]", re.MULTILINE)
_OK, _UNAUTHORISED, _FORBIDDEN = 200, 401, 403
_PUBLISHERS = ("zmqpubrawtx", "zmqpubsequence")
_REFUSED = {_UNAUTHORISED, _FORBIDDEN}


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
        elif name in _PUBLISHERS:
            if not publishers_of(present).get(name.removeprefix("zmq")):
                result.notes.append(
                    f"bitcoin.conf says {name}={present[name][0]}, which publishes nothing; it was left, "
                    "and nothing is expected of it"
                )
        elif not name.startswith("zmqpub") and is_true(present[name][0]) != is_true(value):
            result.notes.append(f"bitcoin.conf says {name}={present[name][0]}; it was left, {value} would be better")
        elif name.endswith("hwm") and present[name][0].isdigit() and int(present[name][0]) < int(value):
            result.notes.append(f"bitcoin.conf says {name}={present[name][0]}; bursts want {value}")
    if "includeconf" in present:
        result.notes.append("bitcoin.conf includes other files; what they say was not looked at")
    if wanted.user:
        lines += _user_lines(result, wanted, present, options_of(block, wanted.section))
    result.text = insert(theirs, lines)
    if result.text.rstrip("\r\n") == text:
        # An editor took the end of the last line away, which is no reason to restart anything.
        result.text = text
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


def is_true(value: str) -> bool:
    """Return whether bitcoind takes `value` for true: when it is empty, or a number other than 0."""
    number = re.match(r"\s*([+-]?\d+)", value)
    return not value or bool(number and int(number[1]))


def publishers_of(options: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the addresses by topic, pubrawtx and pubsequence, at which `options` let bitcoind publish."""
    found = {
        name.removeprefix("zmq"): [value for value in options.get(name, []) if "://" in value] for name in _PUBLISHERS
    }
    return {topic: addresses for topic, addresses in found.items() if addresses}


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
    password_file = password_file_of(asked)
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
    in_force = not changed and is_in_force(asked, conf, planned.text)
    answer = {"changed": changed, "added": planned.added, "notes": planned.notes, "backup": backup}
    sys.stdout.write(json.dumps({**answer, "conf": str(conf), "restart_needed": not in_force}))


def is_in_force(asked: dict[str, Any], conf: Path, text: str) -> bool:
    """Return whether the running bitcoind has read the file; leave when a restart was no help."""
    wrong = lacking(
        notifications(asked["url"], credentials_in_use(asked)),
        asked,
        publishers_of(options_of(text, asked["network"])),
    )
    started = started_at(asked["unit"])
    if started is None:
        return not wrong
    if wrong and started > max(written_at(conf), conf.stat().st_mtime):
        leave(f"bitcoind at {asked['url']} was restarted and {wrong}")
    # A clock that was ahead once must not restart bitcoind for ever.
    return not wrong and not started < written_at(conf) <= time.time()


def leave(sentence: str) -> NoReturn:
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


def password_file_of(asked: dict[str, Any]) -> Path:
    """Return the file that keeps the password of our user."""
    return Path(asked["secrets_dir"]) / "bitcoin_rpc_password"


def credentials_in_use(asked: dict[str, Any]) -> str:
    """Return user:password that the appliance uses: of our user, if there is to be one, else the operator's."""
    if not asked["user"]:
        return credentials_of(asked)
    file = password_file_of(asked)
    return f"{asked['user']}:{read(file).strip() if file.exists() else ''}"


def credentials_of(asked: dict[str, Any]) -> str:
    """Return user:password as the operator gave them, or from his cookie file; empty without any."""
    if asked["rpc_user"]:
        return f"{asked['rpc_user']}:{asked['rpc_password']}"
    try:
        return read(Path(asked["rpc_cookie_file"])).strip() if asked["rpc_cookie_file"] else ""
    except OSError:
        return ""


def notifications(url: str, credentials: str) -> tuple[int, set[str]]:
    """Return the status with which bitcoind says what it publishes, and the topics; 0 when nobody answers."""
    body = json.dumps({"id": "node", "method": "getzmqnotifications", "params": []}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - http(s) by argument spec
    request.add_header("Authorization", "Basic " + base64.b64encode(credentials.encode()).decode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return _OK, {each["type"] for each in json.load(answer)["result"]}
    except urllib.error.HTTPError as error:
        with error:
            return error.code, set()
    except (OSError, ValueError, http.client.HTTPException):
        return 0, set()


def lacking(answer: tuple[int, set[str]], asked: dict[str, Any], publishers: dict[str, list[str]]) -> str:
    """Return what shows that the running bitcoind has not read the file, with its likely cause; empty without it.

    Unknown counts as read, as when a user of the operator's may not ask.

    Args:
        answer: Of `notifications`.
        asked: What `main` is asked.
        publishers: Addresses by topic, as the file has them.
    """
    status, published = answer
    other_file = f"it does not use {asked['conf']}; set node_bitcoin_conf to the file of {asked['unit']}"
    if asked["user"] and status in _REFUSED:
        return f"does not know the user {asked['user']} with its calls: {other_file}"
    missing = [topic for topic in publishers if topic not in published] if status == _OK else []
    if not missing:
        return ""
    addresses = ", ".join(address for topic in missing for address in publishers[topic])
    taken = f"the port of {addresses} is taken; free it, or change the address in {asked['conf']} or the inventory"
    # Whoever knows our user has read the file.
    cause = taken if asked["user"] else f"{taken}, or {other_file}"
    return f"publishes no {' and no '.join(missing)} over ZMQ: {cause}"


def started_at(unit: str) -> float | None:
    """Return when the unit's program was started, in seconds since 1970; None when nobody knows."""
    question = ["systemctl", "show", "-P", "ExecMainStartTimestampMonotonic", "--", unit]
    try:
        done = subprocess.run(question, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603 - fixed words
        microseconds = int(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return time.time() - time.monotonic() + microseconds / 1_000_000 if microseconds else None


def written_at(conf: Path) -> float:
    """Return when we last changed the file, which is when we last made a backup; else when somebody did."""
    backups = [each.stat().st_mtime for each in conf.parent.glob(f"{conf.name}.*.backup")]
    return max(backups, default=conf.stat().st_mtime)


# After the restart


def wait(text: str, patience_seconds: float = 600, refused_seconds: float = 15, pause_seconds: float = 1) -> None:
    """Wait until bitcoind answers the appliance's credentials; exit 2 with a sentence when it will not.

    Args:
        text: JSON, as for `main`.
        patience_seconds: How long bitcoind may load its blocks.
        refused_seconds: How long it may refuse: a new cookie takes a moment, all else is read before it answers.
        pause_seconds: Between two questions.
    """
    asked = json.loads(text)
    conf = Path(asked["conf"]).resolve()
    publishers = publishers_of(options_of(read(conf), asked["network"]))
    begun = admitted = time.monotonic()
    while True:
        answer = notifications(asked["url"], credentials_in_use(asked))
        now = time.monotonic()
        # Who is known and may not ask has been let in as well.
        if answer[0] == _OK or (answer[0] == _FORBIDDEN and not asked["user"]):
            break
        if answer[0] not in _REFUSED:
            admitted = now
        elif now - admitted >= refused_seconds:
            wrong = lacking(answer, asked, publishers) or "refuses the credentials of the settings; correct them"
            leave(f"bitcoind at {asked['url']} was restarted and {wrong}")
        if now - begun >= patience_seconds:
            state = f"says {answer[0]}, as while it loads its blocks" if answer[0] else "does not answer"
            leave(
                f"bitcoind at {asked['url']} {state}, {patience_seconds / 60:.0f} minutes after its restart; see "
                f"journalctl -u {asked['unit']} and its debug.log, and deploy again when it answers"
            )
        time.sleep(pause_seconds)
    if wrong := lacking(answer, asked, publishers):
        leave(f"bitcoind at {asked['url']} was restarted and {wrong}")

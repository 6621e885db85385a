"""Look at the host's system, room and ports, change nothing, and print every problem with what to do about it.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only, and no syntax newer than Python 3.8, so that an old host is told so instead of failing on the way.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import pwd
import re
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTED = {("debian", "12"), ("debian", "13")}
UNTESTED = {("ubuntu", "24.04")}
PYTHON = (3, 11)
LISTENING = "0A"
MEBIBYTE = 1 << 20


class Findings:
    """What is wrong (stops the deploy) and what the operator should know (does not)."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []

    def print_as_json(self) -> None:
        """Print both lists."""
        sys.stdout.write(json.dumps({"problems": self.problems, "notes": self.notes}))


def main(text: str) -> None:
    """Print the findings for `text`, the JSON of what is wanted of the host."""
    asked = json.loads(text)
    findings = Findings()
    check_system(findings, os_release(), sys.version_info[:2])
    # On another system the rest might not even run, and what was found would be lost with it.
    if not findings.problems:
        check_disk(findings, asked["disk_paths"], asked["disk_min_mb"])
        check_ports(findings, asked["ports"], asked["prefix"], asked["user"])
        check_files(findings, asked["files"])
    findings.print_as_json()


def os_release(path: str = "/etc/os-release") -> dict[str, str]:
    """Return the fields of os-release; empty without the file."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {key: value.strip("\"'") for key, value in pairs}


def check_system(findings: Findings, release: dict[str, str], python: tuple[int, ...]) -> None:
    """Only what is tested, or known to be the same code, may go on."""
    system = (release.get("ID", "unknown"), release.get("VERSION_ID", ""))
    name = release.get("PRETTY_NAME", "{} {}".format(*system))
    if system in UNTESTED:
        findings.notes.append(f"{name} is not tested; Debian 12 and 13 are. It goes on by the same code.")
    elif system not in TESTED:
        findings.problems.append(f"this host runs {name}; use Debian 12 or 13, or Ubuntu 24.04 at your own risk")
    if python < PYTHON:
        wanted = ".".join(map(str, PYTHON))
        findings.problems.append(
            f"python3 is {platform.python_version()}; the appliance needs {wanted} or newer, as Debian 12 has"
        )


def check_disk(findings: Findings, paths: list[str], least_mb: int) -> None:
    """Every path, or the nearest parent that exists, has room."""
    seen = set()
    for path in map(Path, paths):
        existing = next(each for each in (path, *path.parents) if each.exists())
        device = existing.stat().st_dev
        free_mb = shutil.disk_usage(existing).free // MEBIBYTE
        if device not in seen and free_mb < least_mb:
            findings.problems.append(
                f"{path} has {free_mb} MB free and needs {least_mb}; make room, or lower preflight_disk_min_mb"
            )
        seen.add(device)


def check_ports(findings: Findings, ports: list[dict[str, Any]], prefix: str, user: str) -> None:
    """No port that we want is held by somebody else.

    Args:
        findings: Where to report.
        ports: One {name, host, port} for each; `name` is the variable that changes it.
        prefix: Of our units' names; what runs in them may hold our ports.
        user: What our units run as; root in a container may not look into another user's processes.
    """
    listeners = list(listening())
    owners = owners_of({each.inode for each in listeners})
    for wanted in ports:
        addresses = addresses_of(wanted["host"])
        for each in listeners:
            if each.port != wanted["port"] or not any(overlap(each.address, address) for address in addresses):
                continue
            owner = owners.get(each.inode, f"a program of the user {each.user}")
            if each.user != user and not is_ours(owner, each.port, prefix):
                findings.problems.append(
                    f"port {each.port} on {each.address} is taken by {owner}; stop that, or set {wanted['name']} to a "
                    "free port"
                )
                break


def check_files(findings: Findings, files: dict[str, str]) -> None:
    """Every file that the variable `name` names is there."""
    for name, path in files.items():
        if not Path(path).is_file():
            findings.problems.append(f"{name} names {path}, which is no file on this host; put it there, or correct it")


class Listener(NamedTuple):
    """A listening TCP socket."""

    address: str
    port: int
    user: str
    inode: str


def listening(tables: tuple[str, ...] = ("/proc/net/tcp", "/proc/net/tcp6")) -> Iterator[Listener]:
    """Yield every listening TCP socket of the host."""
    for table in tables:
        with contextlib.suppress(OSError), Path(table).open(encoding="ascii") as lines:
            next(lines)
            for line in lines:
                fields = line.split()
                if fields[3] == LISTENING:
                    address, port = fields[1].split(":")
                    yield Listener(address_of(address), int(port, 16), user_of(int(fields[7])), fields[9])


def user_of(uid: int) -> str:
    """Return the name of a user, or the number of one that has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def address_of(text: str) -> str:
    """Return the address that /proc/net/tcp writes as 32-bit words in the machine's byte order."""
    words = [int(text[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(text), 8)]
    packed = b"".join(words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)  # noqa: PLR2004 - IPv4


def addresses_of(host: str) -> set[str]:
    """Return the addresses that a name stands for here; an address stands for itself."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return {host}


def overlap(one: str, other: str) -> bool:
    """Return whether two sockets on one port get in each other's way."""
    everywhere = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to
    return one == other or one in everywhere or other in everywhere


def owners_of(inodes: set[str]) -> dict[str, str]:
    """Return who holds each socket: the unit it runs in, else the program's name."""
    owners = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor))  # noqa: PTH115 - Path's is of 3.9
                    if found and found.group(1) in inodes:
                        owners[found.group(1)] = unit_or_program(process)
    return owners


def unit_or_program(process: Path) -> str:
    """Return the systemd unit of `process`, a directory of /proc, or its program's name."""
    unit = re.search(r"/([^/]+\.service)(/|$)", (process / "cgroup").read_text(encoding="utf-8"), re.MULTILINE)
    return unit.group(1) if unit else (process / "comm").read_text(encoding="utf-8").strip()


def is_ours(owner: str, port: int, prefix: str, sites: Path = Path("/etc/nginx/conf.d")) -> bool:
    """Return whether `owner` holds `port` for us: one of our units, or nginx by our own site."""
    if owner.startswith(prefix + "-"):
        return True
    site = sites / f"{prefix}.conf"
    if owner not in {"nginx.service", "nginx"} or not site.is_file():
        return False
    return re.search(rf"^\s*listen\s.*\b{port}\b", site.read_text(encoding="utf-8"), re.MULTILINE) is not None

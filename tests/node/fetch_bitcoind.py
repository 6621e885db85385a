#!/usr/bin/env python3
"""Unpack a real bitcoind into .make/bitcoind: `python3 tests/node/fetch_bitcoind.py`; nothing is installed.

It is Debian sid's bitcoin-knots with the libraries of the stable release and its own loader, so it runs on any
Debian or Ubuntu, however old its libc is, and inside the demonstration node.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT))

from tests.node.host.debian_mirror import KEYRING, debian_mirror  # noqa: E402 - runs as a script, finds the checkout itself

DESTINATION = CHECKOUT / ".make" / "bitcoind"
STABLE = "trixie"
LIBRARIES = (
    "libc6",
    "libstdc++6",
    "libsqlite3-0",
    "libzmq5",
    "libevent-core-2.1-7t64",
    "libevent-extra-2.1-7t64",
    "libevent-pthreads-2.1-7t64",
)
PROGRAMS = ("bitcoind", "bitcoin-cli")
NEEDLESS = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/i18n")

# Relative to itself, since the folder is also copied into the node's image.
WRAPPER = """#!/bin/sh
top=$(dirname "$(dirname "$(readlink -f "$0")")")
set -- "$top/root/usr/bin/{program}" "$@"
for lib in "$top"/root/usr/lib/*-linux-gnu*; do
  for loader in "$lib"/ld-linux-*.so.*; do
    exec "$loader" --argv0 "$0" --library-path "$lib" "$@"
  done
done
"""

APT_CONF = """
Dir::Etc::sourcelist "{work}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferencesparts "-";
Dir::State::lists "{work}/lists";
Dir::State::status "{work}/status";
Dir::Cache "{work}/cache";
Dir::Cache::archives "{work}/cache/archives";
APT::Default-Release "{stable}";
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
"""


def fetch(destination: Path = DESTINATION) -> Path:
    """Return `destination`/bin/bitcoind, unpacked now unless it is there and runs.

    Several tests may ask at the same time: the first fetches, the others wait for it. What a killed run left behind is
    replaced, since the folder gets its name only when it is complete.
    """
    program = destination / "bin" / "bitcoind"
    destination.parent.mkdir(parents=True, exist_ok=True)
    with (destination.parent / f".{destination.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not runs(program):
            for leftover in destination.parent.glob(f"{destination.name}-*"):
                shutil.rmtree(leftover)
            with tempfile.TemporaryDirectory(prefix=f"{destination.name}-", dir=destination.parent) as work:
                fresh = unpack(Path(work))
                if not runs(fresh / "bin" / "bitcoind"):
                    raise SystemExit("the bitcoind that was unpacked does not run on this machine; set BITCOIND to one")
                shutil.rmtree(destination, ignore_errors=True)
                fresh.rename(destination)
    return program


def runs(program: Path) -> bool:
    """Return whether `program` was unpacked by this version of this file, and can say its version."""
    if not program.exists() or program.read_text(encoding="utf-8") != WRAPPER.format(program=program.name):
        return False
    return subprocess.run([program, "-version"], capture_output=True, check=False).returncode == 0


def unpack(work: Path) -> Path:
    """Download the packages into `work`, and return a folder there with bin/ and root/."""
    for folder in ("lists/partial", "cache/archives/partial", "fresh/bin"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    sources = [f"deb [signed-by={KEYRING}] {debian_mirror()} {suite} main\n" for suite in (STABLE, "sid")]
    (work / "sources.list").write_text("".join(sources), encoding="utf-8")
    (work / "apt.conf").write_text(APT_CONF.format(work=work, stable=STABLE), encoding="utf-8")
    archives = work / "cache" / "archives"
    apt(work, "update")
    apt(work, "install", "--yes", "--download-only", *LIBRARIES)
    apt(work, "download", "bitcoin-knots/sid", folder=archives)
    root = work / "fresh" / "root"
    for package in sorted(archives.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    for folder in NEEDLESS:
        shutil.rmtree(root / folder, ignore_errors=True)
    for program in PROGRAMS:
        file = work / "fresh" / "bin" / program
        file.write_text(WRAPPER.format(program=program), encoding="utf-8")
        file.chmod(0o755)
    return work / "fresh"


def apt(work: Path, *arguments: str, folder: Path | None = None) -> None:
    """Run apt-get on the lists and archives in `work`; leave with its last words when it fails."""
    command = ["apt-get", "-qq", *arguments]
    environ = {"APT_CONFIG": str(work / "apt.conf"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-2000:] + done.stderr[-2000:])
        raise SystemExit(f"{' '.join(command)} failed; is there a network, and is {KEYRING} installed?")


if __name__ == "__main__":
    sys.stdout.write(f"{fetch()}\n")

"""Make a self-signed certificate for the names and addresses of this host, once.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

DAYS = 3650
# The longest that a certificate's common name may be.
COMMON_NAME_MAX = 64
# openssl's own would make it an authority, whose key signs for any name where somebody trusts it.
CONFIGURATION = """
[req]
distinguished_name = subject
x509_extensions = extensions
[subject]
[extensions]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = {names}
"""


def main(text: str) -> None:
    """Print {"made"} for `text`, JSON of {"directory", "names", "check"}; exit 2 with a sentence on failure."""
    asked = json.loads(text)
    directory = Path(asked["directory"])
    needed = not (directory / "certificate.pem").exists()
    if needed and not asked["check"]:
        make(directory, [*host_names(), *asked["names"]])
    sys.stdout.write(json.dumps({"made": needed}))


def host_names() -> list[str]:
    """Return the names and addresses by which this host may be called, its own name first."""
    shown = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()  # noqa: S607
    return [socket.gethostname(), "localhost", "127.0.0.1", "::1", *shown]


def alternative_names(names: list[str]) -> str:
    """Return the names as openssl's subjectAltName, each once."""
    return ",".join(dict.fromkeys(f"{kind_of(name)}:{name}" for name in names))


def kind_of(name: str) -> str:
    """Return whether `name` is an IP address or a name of the DNS, in openssl's words."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "DNS"
    return "IP"


def make(directory: Path, names: list[str]) -> None:
    """Make both files at once, so that a certificate never stands without its key."""
    os.umask(0o077)
    fresh = directory.with_name(f".{directory.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    files = ["-keyout", str(fresh / "key.pem"), "-out", str(fresh / "certificate.pem")]
    subject = ["-subj", f"/CN={names[0][:COMMON_NAME_MAX]}", "-config", "/dev/stdin"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    done = subprocess.run(  # noqa: S603 - our own words
        ["openssl", "req", "-x509", *curve, "-days", str(DAYS), *subject, *files],  # noqa: S607
        input=CONFIGURATION.format(names=alternative_names(names)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.stderr.write(f"openssl cannot make a certificate: {done.stderr.strip()}")
        raise SystemExit(2)
    shutil.rmtree(directory, ignore_errors=True)
    fresh.rename(directory)

"""What a node needs in order to reach the mirrors that this machine reaches; nothing on most machines."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

from tests.node.host.checkout import VENV_BIN

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_APT_OPTIONS = ("Acquire::Check-Valid-Until", "Acquire::http::Proxy", "Acquire::https::Proxy")
_PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


def apt_options() -> list[str]:
    """Return the lines of apt.conf that this machine has and a plain Debian does not."""
    done = subprocess.run(["apt-config", "dump", *_APT_OPTIONS], capture_output=True, text=True, check=False)
    return [line.rstrip(";") for line in done.stdout.splitlines() if not line.endswith(' "";')]


def extra_files() -> dict[str, str]:
    """Return the files, by path below the root and with their text, that carry this machine's settings."""
    files = {f"usr/local/share/ca-certificates/host-{n}.crt": ca + "\n" for n, ca in enumerate(extra_authorities())}
    pip = pip_options()
    if files:
        # pip before 24.2 trusts a list of its own.
        pip["cert"] = str(_BUNDLE)
    if pip:
        files["etc/pip.conf"] = "[global]\n" + "".join(f"{name} = {value}\n" for name, value in sorted(pip.items()))
    proxies = {name: os.environ[name] for name in _PROXIES if os.environ.get(name)}
    if proxies:
        files["etc/environment"] = "".join(f'{name}="{value}"\n' for name, value in proxies.items())
    return files


def extra_authorities() -> list[str]:
    """Return the certificates, as PEM, that this machine trusts beyond those of the package ca-certificates."""
    bundle = Path(os.environ.get("SSL_CERT_FILE") or _BUNDLE)
    if not bundle.exists():
        return []
    known = {
        ca
        for file in Path("/usr/share/ca-certificates").rglob("*.crt")
        for ca in _PEM.findall(file.read_text(encoding="utf-8", errors="replace"))
    }
    return sorted(set(_PEM.findall(bundle.read_text(encoding="utf-8", errors="replace"))) - known)


def pip_options() -> dict[str, str]:
    """Return pip's settings for reaching an index, as far as another host can use them."""
    pip = VENV_BIN / "pip"
    if not pip.exists():
        return {}
    done = subprocess.run([pip, "config", "list"], capture_output=True, text=True, check=False)
    options: dict[str, str] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2].removeprefix("default-")
        if name in _PIP_OPTIONS:
            words = [word for word in str(ast.literal_eval(value)).split() if not word.startswith(("file:", "/"))]
            if words:
                options[name] = " ".join(words)
    return options

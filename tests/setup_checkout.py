"""`make setup`: a virtual environment with everything a checkout needs, and `.venv/bin/utxoracle` in it.

Runs on the python3 of a fresh Debian or Ubuntu, with the standard library alone; does nothing when nothing changed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
VENV = CHECKOUT / ".venv"
# Kept inside, so that removing the environment by hand is noticed.
STAMP = VENV / "made-from"
LOCKS = (CHECKOUT / "requirements" / "setup.txt", CHECKOUT / "requirements" / "dev.txt", CHECKOUT / "pyproject.toml")
PYTHON_MIN = (3, 11)


def main() -> None:
    """Make the environment, unless it was made from these very locks."""
    if sys.version_info < PYTHON_MIN:
        raise SystemExit(f"python3 is {sys.version.split()[0]}; Python 3.11 or newer is needed, as in Debian 12 or 13")
    locks = b"\0".join(lock.read_bytes() for lock in LOCKS)
    made_from = f"{sys.version}\n{hashlib.sha256(locks).hexdigest()}"
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == made_from:
        return
    # An environment outlives neither its Python nor a run that was interrupted.
    if not STAMP.exists() or not STAMP.read_text(encoding="utf-8").startswith(f"{sys.version}\n"):
        sys.stdout.write("making .venv: a minute, once\n")
        make_environment()
    setup, dev, _ = LOCKS
    pip("install", "--require-hashes", f"--requirement={setup}")
    # uv takes a quarter of pip's time, but knows nothing of an index or a certificate that only pip was told of.
    fast = [
        f"{VENV}/bin/uv",
        "pip",
        "install",
        "--quiet",
        f"--python={VENV}",
        "--require-hashes",
        f"--requirement={dev}",
    ]
    if subprocess.run(fast, check=False, stderr=subprocess.DEVNULL).returncode != 0:
        pip("install", "--require-hashes", f"--requirement={dev}")
    pip("install", "--no-deps", "--no-build-isolation", f"--editable={CHECKOUT}")
    STAMP.write_text(made_from, encoding="utf-8")


def make_environment() -> None:
    """Make an empty environment; Debian keeps what that takes in a package of its own."""
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        install = CHECKOUT / "tests" / "node" / "install_packages.py"
        subprocess.run([sys.executable, install, "python3-venv"], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)


def pip(*arguments: str) -> None:
    """Run the environment's pip, which tries again by itself when the index does not answer."""
    command = [f"{VENV}/bin/pip", "--disable-pip-version-check", "--quiet", "--no-input", "--retries=5", *arguments]
    if subprocess.run(command, check=False).returncode != 0:
        raise SystemExit("pip could not install what requirements/ lists; its words are above")


if __name__ == "__main__":
    main()

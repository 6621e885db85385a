"""The images that nodes boot from, built when what they are made of has changed."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.node.fetch_bitcoind import fetch
from tests.node.host import machine_settings
from tests.node.host.checkout import MADE, NODE
from tests.node.host.container_engine import ContainerEngine, EngineError
from tests.node.host.debian_mirror import KEYRING, debian_mirror
from tests.node.host.root import as_root

SUITES = ("trixie", "bookworm")
BROWSER_NAME = "localhost/utxoracle-browser"
_LABEL = "utxoracle.made-of"
_PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
)
_NEEDLESS = ("man", "doc", "locale", "info")
_BROWSER = """\
FROM {base}
RUN apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium fonts-dejavu-core >/dev/null
"""


def base_name(suite: str) -> str:
    """Return the name of the image with Debian alone."""
    return f"localhost/utxoracle-base:{suite}"


def node_name(suite: str) -> str:
    """Return the name of the image with bitcoind and the programs of the node."""
    return f"localhost/utxoracle-node:{suite}"


def ensure_base(engine: ContainerEngine, suite: str) -> str:
    """Return the name of the base image, built by mmdebstrap unless it is there and still right.

    It stands in for an image of a registry, and takes along what this machine needs to reach its mirrors.

    Raises:
        EngineError: It could not be built; the message holds the reason.
    """
    name, mirror = base_name(suite), debian_mirror()
    options, files = machine_settings.apt_options(), machine_settings.extra_files()
    made_of = _digest(suite, mirror, json.dumps([_PACKAGES, options, files]), Path(__file__).read_text("utf-8"))
    with _alone():
        if _made_of(engine, name) != made_of:
            with tempfile.TemporaryDirectory(prefix="base-", dir=MADE) as work:
                overlay, root = Path(work) / "overlay.tar", Path(work) / "root.tar"
                overlay.write_bytes(_tar(files))
                _debootstrap(suite, mirror, options, overlay, root)
                engine.run("import", "--change", f"LABEL {_LABEL}={made_of}", str(root), name)
    return name


def ensure_node(engine: ContainerEngine, suite: str) -> str:
    """Return the name of the node image, built from the base image unless it is there and still right.

    Raises:
        EngineError: It could not be built; the message holds the reason.
    """
    base, name = ensure_base(engine, suite), node_name(suite)
    bitcoind = fetch()
    version = subprocess.run([bitcoind, "-version"], capture_output=True, text=True, check=True).stdout
    sources = [file for folder in ("image", "programs") for file in sorted((NODE / folder).rglob("*")) if _counts(file)]
    made_of = _digest(
        _made_of(engine, base),
        bitcoind.read_text("utf-8") + version,
        *(f"{file.relative_to(NODE)}\n{file.read_text('utf-8')}" for file in sources),
    )
    with _alone():
        if _made_of(engine, name) != made_of:
            with tempfile.TemporaryDirectory(prefix="node-", dir=MADE) as work:
                context = Path(work) / "context"
                shutil.copytree(NODE / "image", context)
                shutil.copytree(NODE / "programs", context / "programs", ignore=shutil.ignore_patterns("__pycache__"))
                shutil.copytree(bitcoind.parents[1], context / "bitcoind", symlinks=True)
                label = f"{_LABEL}={made_of}"
                arguments = ("--build-arg", f"BASE={base}", "--label", label, "--tag", name)
                engine.run("build", *arguments, "--file", f"{context}/Containerfile", str(context))
    return name


def ensure_browser(engine: ContainerEngine) -> str:
    """Return the name of the image with a browser, built from the base image unless it is there and still right.

    Not every distribution has Chromium as a package that a program can start.

    Raises:
        EngineError: It could not be built; the message holds the reason.
    """
    base, name = ensure_base(engine, SUITES[0]), BROWSER_NAME
    made_of = _digest(_made_of(engine, base), _BROWSER)
    with _alone():
        if _made_of(engine, name) != made_of:
            with tempfile.TemporaryDirectory(prefix="browser-", dir=MADE) as work:
                Path(work, "Containerfile").write_text(_BROWSER.format(base=base), encoding="utf-8")
                engine.run("build", "--label", f"{_LABEL}={made_of}", "--tag", name, work)
    return name


def remove(engine: ContainerEngine) -> None:
    """Remove all that were made, those that were replaced too, as far as nothing runs on them."""
    newest_first = engine.run("images", "--all", "--quiet", "--filter", f"label={_LABEL}").split()
    for image in dict.fromkeys(newest_first):
        engine.attempt("rmi", image)


def _debootstrap(suite: str, mirror: str, options: list[str], overlay: Path, root: Path) -> None:
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={','.join(_PACKAGES)}",
        f"--keyring={KEYRING}",
        # The role that installs packages may trust the lists for a while instead of fetching them again.
        "--skip=cleanup/apt/lists",
        *(f"--aptopt={option}" for option in options),
        *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in _NEEDLESS),
        f"--customize-hook=tar-in {overlay} /",
        '--customize-hook=chroot "$1" update-ca-certificates >/dev/null',
        suite,
        str(root),
        mirror,
    ]
    done = subprocess.run(as_root(*command), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EngineError(f"mmdebstrap could not make Debian {suite} from {mirror}:\n{done.stderr[-3000:]}")


def _made_of(engine: ContainerEngine, name: str) -> str:
    form = '{{index .Config.Labels "' + _LABEL + '"}}'
    return engine.attempt("image", "inspect", "--format", form, name).stdout.strip()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _counts(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts


def _tar(files: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text.encode()), 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


@contextmanager
def _alone() -> Iterator[None]:
    MADE.mkdir(exist_ok=True)
    with (MADE / ".images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

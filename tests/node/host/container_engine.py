"""podman or docker, as root, with the settings that this machine needs."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.node.host.checkout import MADE

_CAP_SYS_RESOURCE = 24
_DOCKER_SOCKET = Path("/var/run/docker.sock")


class EngineError(Exception):
    """The engine refused; the message holds its words."""


class ContainerEngine:
    """`podman`, or `docker` when NODE_ENGINE says so; through sudo where root is needed and we are not."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.name = environ.get("NODE_ENGINE") or "podman"
        if self.name not in {"podman", "docker"}:
            raise EngineError(f"NODE_ENGINE is {self.name}; it can be podman or docker")
        self._prefix: list[str] = []
        settings = self._settings(environ)
        if settings:
            self._prefix = ["env", f"CONTAINERS_CONF={settings}"]
        allowed = os.access(_DOCKER_SOCKET, os.W_OK) if self.name == "docker" else os.geteuid() == 0
        if not allowed:
            self._prefix = ["sudo", *self._prefix]

    def command(self, *arguments: str) -> list[str]:
        """Return the whole command line for `arguments` of the engine."""
        return [*self._prefix, self.name, *arguments]

    def run(self, *arguments: str, given: str | None = None) -> str:
        """Return what the engine prints, without the line's end.

        Args:
            arguments: For the engine.
            given: Text for its standard input.

        Raises:
            EngineError: It left with an error.
        """
        done = self.attempt(*arguments, given=given)
        if done.returncode != 0:
            raise EngineError(f"{self.name} {' '.join(arguments[:2])}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    def attempt(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the engine and return what came of it."""
        try:
            return subprocess.run(
                self.command(*arguments), input=given or "", capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise EngineError(f"{self.name} is not installed; `make up` installs podman") from None

    def _settings(self, environ: Mapping[str, str]) -> Path | None:
        if self.name != "podman" or environ.get("CONTAINERS_CONF"):
            return Path(environ["CONTAINERS_CONF"]) if self.name == "podman" else None
        text = containers_conf()
        if not text:
            return None
        file = MADE / "containers.conf"
        file.parent.mkdir(exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
        return file


def containers_conf() -> str:
    """Return the containers.conf that this machine needs, or nothing where podman's own defaults work."""
    sections = []
    if not may_raise_limits():
        # podman asks for a million open files by default, which root without CAP_SYS_RESOURCE cannot give.
        files, processes = resource.getrlimit(resource.RLIMIT_NOFILE)[1], resource.getrlimit(resource.RLIMIT_NPROC)[1]
        most = int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii"))
        processes = most if processes in {resource.RLIM_INFINITY, -1} else min(processes, most)
        sections.append(
            f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]\n'
        )
    engine = []
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        # crun, podman's choice, refuses cgroups of version 1.
        engine.append('runtime = "runc"\n')
    if not Path("/run/systemd/system").exists():
        engine.append('cgroup_manager = "cgroupfs"\nevents_logger = "file"\n')
    if engine:
        sections.append("[engine]\n" + "".join(engine))
    return "".join(sections)


def may_raise_limits() -> bool:
    """Return whether root may have CAP_SYS_RESOURCE on this machine."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_RESOURCE & 1)
    return True

"""Booting, reaching and removing one node."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.node.host import images
from tests.node.host.container_engine import ContainerEngine, EngineError

SSH_USER = "admin"
# Without SYS_ADMIN systemd drops the sandbox of every unit, and does not say so.
# Without SYS_PTRACE root itself cannot see through ProtectProc=invisible, which PrivateUsers= then fails on.
_CAPABILITIES = ("SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "NET_RAW", "AUDIT_WRITE", "SYS_NICE")
_ONLY_DOCKER = (
    *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"),  # noqa: S108 - a mount in the node, not a file here
    *("--security-opt", "apparmor=unconfined", "--cgroupns=private"),
)
_READY_SECONDS = 120
_POLL_SECONDS = 0.3
_LET_IN = f"""
install -d -o {SSH_USER} -g {SSH_USER} -m 0700 /home/{SSH_USER}/.ssh
cat > /home/{SSH_USER}/.ssh/authorized_keys
chown {SSH_USER}:{SSH_USER} /home/{SSH_USER}/.ssh/authorized_keys
"""


@dataclass(frozen=True)
class Boot:
    """How a node is to be: `published` maps ports on this machine's loopback to ports of the node."""

    name: str
    suite: str
    ssh_port: int
    key: Path
    published: Sequence[tuple[int, int]] = ()


class Node:
    """A container that is, for all that ssh shows, a Debian host."""

    def __init__(self, engine: ContainerEngine, name: str) -> None:
        self._engine = engine
        self.name = name

    @property
    def state(self) -> str:
        """`running`, `exited`, …; empty when there is no such node."""
        return self._inspect("{{.State.Status}}")

    def runs_on(self, image: str) -> bool:
        """Return whether this node was made from `image` as it is now."""
        now = self._engine.attempt("image", "inspect", "--format", "{{.Id}}", image).stdout.strip()
        return bool(now) and self._inspect("{{.Image}}").removeprefix("sha256:") == now.removeprefix("sha256:")

    def port(self, of_node: int) -> int:
        """Return the port on this machine's loopback that leads to the node's port `of_node`.

        Raises:
            EngineError: It is not published, or the node does not run.
        """
        return int(self._engine.run("port", self.name, f"{of_node}/tcp").splitlines()[0].rpartition(":")[2])

    def create(self, boot: Boot) -> None:
        """Make and start the node; build its image first if need be.

        Raises:
            EngineError: A port is taken, the name is, or the engine refuses.
        """
        published = [(boot.ssh_port, 22), *boot.published]
        for port, _ in published:
            require_free(port)
        image = images.ensure_node(self._engine, boot.suite)
        self._engine.run(
            "run",
            "--detach",
            *("--name", self.name, "--hostname", self.name),
            *(word for here, there in published for word in ("--publish", f"127.0.0.1:{here}:{there}")),
            *(f"--cap-add={capability}" for capability in _CAPABILITIES),
            *(_ONLY_DOCKER if self._engine.name == "docker" else ()),
            image,
        )

    def start(self) -> None:
        """Start a node that was stopped."""
        self._engine.run("start", self.name)

    def reboot(self) -> None:
        """Stop every process of the node and start systemd anew; files stay."""
        self._engine.run("restart", self.name)

    def remove(self) -> None:
        """Remove the node and all its files; nothing happens when there is none."""
        done = self._engine.attempt("rm", "--force", "--volumes", self.name)
        if done.returncode != 0 and "no such container" not in done.stderr.lower():
            raise EngineError(f"the node {self.name} could not be removed: {done.stderr.strip()}")

    def let_in(self, key: Path) -> None:
        """Make the key pair unless it is there, and let its owner in over ssh as a user who may use sudo."""
        make_key(key)
        public = key.with_name(f"{key.name}.pub").read_text(encoding="utf-8")
        self._engine.run("exec", "--interactive", self.name, "sh", "-ec", _LET_IN, given=public)

    def wait_until_ready(self) -> None:
        """Wait for systemd, for ssh, and for the chain's history.

        Raises:
            EngineError: It took too long; the message says what was missing.
        """
        deadline = time.monotonic() + _READY_SECONDS
        for what, command in (
            ("systemd has not finished starting", ("systemctl", "is-system-running")),
            ("ssh does not run", ("systemctl", "is-active", "ssh.service")),
            ("bitcoind's chain has no history yet", ("life", "status")),
        ):
            while (done := self._engine.attempt("exec", self.name, *command)).returncode != 0:
                if "degraded" in done.stdout:
                    failed = self._engine.run("exec", self.name, "systemctl", "--failed", "--plain", "--no-legend")
                    raise EngineError(f"units of the node {self.name} failed: {failed}")
                if time.monotonic() > deadline:
                    raise EngineError(f"{what} on {self.name} after {_READY_SECONDS} s: {done.stdout}{done.stderr}")
                time.sleep(_POLL_SECONDS)

    def command(self, words: Sequence[str], *, terminal: bool) -> list[str]:
        """Return the command line that runs `words` in the node as root."""
        return self._engine.command("exec", "--interactive", *(["--tty"] if terminal else []), self.name, *words)

    def read(self, file: str) -> str:
        """Return the text of a file of the node.

        Raises:
            EngineError: There is none.
        """
        return self._engine.run("exec", self.name, "cat", file)

    def _inspect(self, form: str) -> str:
        return self._engine.attempt("container", "inspect", "--format", form, self.name).stdout.strip()


def boot(engine: ContainerEngine, wanted: Boot) -> Node:
    """Return a running node that answers over ssh and whose chain has its history.

    One that runs already is kept, unless its image has changed since.

    Raises:
        EngineError: It could not be made; the message says why.
    """
    node = Node(engine, wanted.name)
    if node.state and not node.runs_on(images.ensure_node(engine, wanted.suite)):
        node.remove()
    if not node.state:
        node.create(wanted)
    elif node.state != "running":
        node.start()
    node.wait_until_ready()
    node.let_in(wanted.key)
    return node


def require_free(port: int) -> None:
    """Raise EngineError when something listens on `port` of this machine's loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise EngineError(f"port {port} on 127.0.0.1 is taken; stop what uses it, or choose another port") from None


def make_key(key: Path) -> None:
    """Make an ssh key pair without a passphrase at `key`, unless there is one."""
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demonstration node", "-f", key], check=True
        )

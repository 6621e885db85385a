"""`make up` and `make down`: a node with the appliance deployed onto it, and none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.node.host import images, nodes, packages
from tests.node.host.checkout import CHECKOUT, DEMO, MADE, VENV_BIN
from tests.node.host.container_engine import ContainerEngine, EngineError

NAME = "utxoracle-demo"
SUITE = "trixie"
SSH_PORT = int(os.environ.get("DEMO_SSH_PORT", "52222"))
DASHBOARD_PORT = int(os.environ.get("DEMO_PORT", "8443"))
PROXY_PORT = 8443
_TAIL_LINES = 60

_INVENTORY = """\
# Made by `make up`. The node is reached as an operator's would be: over ssh, with a key, through sudo.
[appliance]
{name} ansible_host=127.0.0.1 ansible_port={port} ansible_user={user}

[appliance:vars]
ansible_python_interpreter=/usr/bin/python3
ansible_ssh_private_key_file={key}
ansible_ssh_common_args=-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR
node_enabled=true
node_restart_allowed=true
settings_bitcoin_network=regtest
settings_bitcoin_rpc_url=http://127.0.0.1:18443
# To be played with, by people and by the tests of its pages, from one address.
settings_rate_limit_per_minute=2000
"""


def up(engine: ContainerEngine) -> None:
    """Boot the node, deploy the appliance onto it, and say where it is.

    Raises:
        EngineError: A step failed; the end of its log is in the message.
    """
    DEMO.mkdir(exist_ok=True)
    key, inventory, password = DEMO / "id_ed25519", DEMO / "inventory.ini", DEMO / "password"
    needed = (*(packages.PODMAN if engine.name == "podman" else ()), *packages.DEBIAN, *packages.CLIENT)
    with step("packages"):
        logged("packages", [sys.executable, f"{CHECKOUT}/tests/node/install_packages.py", *needed])
    with step("Debian, bitcoind and its stand-ins as an image"):
        images.ensure_node(engine, SUITE)
    with step("boot, and a day of payments on its chain"):
        published = [(DASHBOARD_PORT, PROXY_PORT)]
        node = nodes.boot(engine, nodes.Boot(NAME, SUITE, SSH_PORT, key, published))
    inventory.write_text(_INVENTORY.format(name=NAME, port=SSH_PORT, user=nodes.SSH_USER, key=key), encoding="utf-8")
    with step("deploy with playbooks/deploy.yml"):
        logged("deploy", [f"{VENV_BIN}/ansible-playbook", "-i", str(inventory), "playbooks/deploy.yml"])
    keep_password(node, password)
    place = password.relative_to(CHECKOUT)
    print(f"https://127.0.0.1:{node.port(PROXY_PORT)}/  user admin  password in {place}", flush=True)


def keep_password(node: nodes.Node, file: Path) -> None:
    """Keep the first account's password; somebody may have removed it from the node since the last time."""
    try:
        text = node.read("/etc/utxoracle/first_password")
    except EngineError:
        if not file.exists():
            raise
    else:
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")


def down(engine: ContainerEngine) -> None:
    """Remove the node, the images that nobody else uses, and all that was written on the way but the logs of tests."""
    nodes.Node(engine, NAME).remove()
    images.remove(engine)
    shutil.rmtree(DEMO, ignore_errors=True)
    for made in MADE.glob("*") if MADE.exists() else ():
        if made.is_file():
            made.unlink()
        elif made.name != "test":
            shutil.rmtree(made)
    with suppress(OSError):
        MADE.rmdir()


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, and how long it took; on a terminal also while it lasts."""
    started = time.monotonic()
    if sys.stdout.isatty():
        print(f"        {what} …", end="", flush=True)
    yield
    print(f"{chr(13) if sys.stdout.isatty() else ''}{time.monotonic() - started:6.1f} s {what}  ", flush=True)


def logged(name: str, command: list[str]) -> None:
    """Run `command` in the checkout, its output in .demo/NAME.log and each task's name on the terminal.

    Raises:
        EngineError: It failed; the message ends with the end of the log.
    """
    log = DEMO / f"{name}.log"
    environ = os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    with (
        log.open("w", encoding="utf-8") as written,
        subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        for line in process.stdout or ():
            written.write(line)
            if line.startswith("TASK [") and sys.stdout.isatty():
                print(f"\r\033[K        {line[6:].rpartition(']')[0][:100]}", end="", flush=True)
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    if process.returncode != 0:
        raise EngineError(f"{_end_of(log)}\n{name} failed; the whole log: {log}")


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:])

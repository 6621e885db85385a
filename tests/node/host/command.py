"""`tests/node/node`: the command that makes and removes nodes."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.node.host import demonstration, images, nodes
from tests.node.host.checkout import MADE
from tests.node.host.container_engine import ContainerEngine, EngineError


def main(words: list[str]) -> int:
    """Do what `words` say; return the exit code."""
    asked = parser().parse_args(words)
    try:
        return int(asked.do(ContainerEngine(os.environ), asked) or 0)
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def parser() -> argparse.ArgumentParser:
    """Return what the command line may say."""
    top = argparse.ArgumentParser(
        prog="tests/node/node",
        description="Debian hosts with systemd, bitcoind on regtest and life on its chain, in containers of podman, or "
        "of docker with NODE_ENGINE=docker.",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    boot = commands.add_parser("boot", help="make or start a node, and wait until it can be deployed onto")
    boot.add_argument("name")
    boot.add_argument("--suite", choices=images.SUITES, default="trixie")
    boot.add_argument("--ssh-port", type=int, required=True, help="on 127.0.0.1, for the user admin, who may use sudo")
    boot.add_argument("--key", type=Path, help="private key to let in; made when missing. Default .make/keys/NAME")
    boot.add_argument("--publish", type=_ports, action="append", default=[], metavar="HERE:NODE", help="further ports")
    boot.set_defaults(do=_boot)

    for name, does, text in (
        ("destroy", _destroy, "remove a node and its files"),
        ("reboot", _reboot, "stop all of a node's processes and start its systemd anew"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("name")
        command.set_defaults(do=does)

    for name, do, text in (
        ("up", demonstration.up, "boot the demonstration node and deploy the appliance onto it"),
        ("down", demonstration.down, "remove the demonstration node, its images and its files"),
    ):
        commands.add_parser(name, help=text).set_defaults(do=_without_options(do))

    run = commands.add_parser("exec", help="run a command in a node as root")
    run.add_argument("name")
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND …")
    run.set_defaults(do=_exec, before=())

    life = commands.add_parser(
        "life", help="speed up, stop, mine, make a whale: see `life NAME --help`", add_help=False
    )
    life.add_argument("name")
    life.add_argument("words", nargs=argparse.REMAINDER, metavar="…")
    life.set_defaults(do=_exec, before=("life",))

    image = commands.add_parser("image", help="build a node's image ahead of time")
    image.add_argument("--suite", choices=images.SUITES, default="trixie")
    image.set_defaults(do=_image)
    return top


def _without_options(do: Callable[[ContainerEngine], None]) -> Callable[[ContainerEngine, argparse.Namespace], None]:
    return lambda engine, _asked: do(engine)


def _boot(engine: ContainerEngine, asked: argparse.Namespace) -> None:
    key = asked.key or MADE / "keys" / asked.name
    nodes.boot(engine, nodes.Boot(asked.name, asked.suite, asked.ssh_port, key, asked.publish))
    print(f"{asked.name}: ssh -i {key} -p {asked.ssh_port} {nodes.SSH_USER}@127.0.0.1")


def _destroy(engine: ContainerEngine, asked: argparse.Namespace) -> None:
    nodes.Node(engine, asked.name).remove()


def _reboot(engine: ContainerEngine, asked: argparse.Namespace) -> None:
    node = nodes.Node(engine, asked.name)
    node.reboot()
    node.wait_until_ready()


def _exec(engine: ContainerEngine, asked: argparse.Namespace) -> int:
    command = nodes.Node(engine, asked.name).command([*asked.before, *asked.words], terminal=sys.stdin.isatty())
    return subprocess.run(command, check=False).returncode


def _image(engine: ContainerEngine, asked: argparse.Namespace) -> None:
    print(images.ensure_node(engine, asked.suite))


def _ports(text: str) -> tuple[int, int]:
    here, _, there = text.partition(":")
    return int(here), int(there)

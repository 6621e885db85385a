"""What an operator can do to a deployed host: run playbooks on it, and commands over ssh."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
INVENTORY_KEY = "UTXORACLE_E2E_INVENTORY"


def inventory() -> Path:
    """Return the inventory of the deployed host; without one, fail with a sentence that says how to get it."""
    file = CHECKOUT / os.environ.get(INVENTORY_KEY, ".demo/inventory.ini")
    if not file.is_file():
        raise AssertionError(
            f"{file} is missing; run `make up`, or name a deployed host's inventory in {INVENTORY_KEY}"
        )
    return file


@dataclass(frozen=True, slots=True)
class Ran:
    """A playbook that was run: its exit code, all it printed, and how long it took."""

    code: int
    text: str
    seconds: float

    def failed_checks(self) -> set[str]:
        """Return the names of the checks that verify says have failed."""
        return set(re.findall(r"verify: ([^:]+): ", self.text))

    def changed(self) -> int:
        """Return how many tasks changed something, by the recap."""
        return sum(map(int, re.findall(r"changed=(\d+)", self.text)))


class Operator:
    """Works on the one host of an inventory."""

    def __init__(self, file: Path) -> None:
        self._inventory = file
        self._ssh = _ssh_command(file)

    def playbook(self, name: str, *options: str) -> Ran:
        """Run playbooks/NAME.yml as the documentation says."""
        begin = time.monotonic()
        command = [f"{BIN}/ansible-playbook", "-i", str(self._inventory), f"playbooks/{name}.yml", *options]
        environ = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
        done = subprocess.run(
            command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=280, env=environ
        )
        return Ran(done.returncode, done.stdout + done.stderr, time.monotonic() - begin)

    def root(self, script: str) -> str:
        """Run a shell script as root and return what it printed; fail when any of its commands fails."""
        command = [*self._ssh, "sudo -n bash -euo pipefail -s"]
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, f"{script}\nleft with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def send(self, content: bytes, script: str) -> None:
        """Run a shell script as root with `content` on its standard input."""
        command = [*self._ssh, f"sudo -n sh -ec {shlex.quote(script)}"]
        done = subprocess.run(command, input=content, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def health(self) -> int:
        """Return the HTTP status of /health, as on the host itself; 0 when nobody answers."""
        return int(self._asked("print(answer.status)") or 0)

    def check(self, name: str) -> str:
        """Return the state of one of health's checks, which strangers may know; empty when nobody answers."""
        return self._asked(f"import json; print(json.load(answer)['checks'][{name!r}]['status'])")

    def _asked(self, then: str) -> str:
        program = (
            "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8001, timeout=5); "
            f"c.request('GET', '/health'); answer = c.getresponse(); {then}"
        )
        return self.root(f"{shlex.join(['python3', '-c', program])} 2>/dev/null || true")

    def life(self, order: str) -> dict[str, Any]:
        """Give the life on the demonstration's chain an order, and return its answer."""
        answer: dict[str, Any] = json.loads(self.root(f"life {order} --json"))
        return answer

    def select(self, statement: str, *values: str) -> list[list[Any]]:
        """Return rows of the appliance's SQLite database."""
        program = (
            "import json, sqlite3, sys; "
            "database = sqlite3.connect('file:/var/lib/utxoracle/utxoracle.db?mode=ro', uri=True, timeout=30); "
            "print(json.dumps(database.execute(sys.argv[1], sys.argv[2:]).fetchall()))"
        )
        command = ["runuser", "-u", "utxoracle", "--", "python3", "-c", program, statement, *values]
        rows: list[list[Any]] = json.loads(self.root(shlex.join(command)))
        return rows

    def unit(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.root(f"systemctl show --value --property {name} {unit}")

    def wait(self, what: str, is_so: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until something is so; fail with `what` when it never is."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, f"not within {seconds} s: {what}"
            time.sleep(0.2)


def _ssh_command(file: Path) -> list[str]:
    """Return the ssh command line for the inventory's only host, by the same variables that Ansible uses."""
    command = [f"{BIN}/ansible-inventory", "-i", str(file), "--list"]
    listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=60)
    hosts: dict[str, dict[str, Any]] = json.loads(listed.stdout)["_meta"]["hostvars"]
    ((name, variables),) = hosts.items()
    words = ["ssh", "-o", "BatchMode=yes", "-p", str(variables.get("ansible_port", 22))]
    if key := variables.get("ansible_ssh_private_key_file"):
        words += ["-i", str(CHECKOUT / key)]
    words += shlex.split(variables.get("ansible_ssh_common_args", ""))
    user, host = variables.get("ansible_user"), variables.get("ansible_host", name)
    return [*words, f"{user}@{host}" if user else host]

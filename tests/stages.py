"""`make test`: prove everything, fastest first, one line a stage with its time.

    python tests/stages.py                 all stages, in order of speed; the first that fails ends the run
    python tests/stages.py unit services   only these

Each stage's output goes to .make/test/<stage>.log; the log of a stage that fails is shown from its end.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from tests.node.host import packages  # noqa: E402 - runs as a script, finds the checkout itself

LOGS = CHECKOUT / ".make" / "test"
BIN = CHECKOUT / ".venv" / "bin"
TAIL_LINES = 120
SUMMARY = re.compile(r"^(?:=+ )?\d+ (?:passed|failed|error|skipped).* in [\d.]+s.*$", re.MULTILINE)
COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped)")


@dataclass(frozen=True)
class Stage:
    """Commands that run one after the other; `packages` are the Debian packages they need beforehand."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    packages: tuple[str, ...] = ()


def pytest(*folders: str) -> tuple[str, ...]:
    """Return the command that runs the tests of `folders`; skipped ones are named with their reason."""
    return ("pytest", "-rs", *folders)


NODE = ("python3", "tests/node/node")
CONTAINERS = (*packages.PODMAN, *packages.DEBIAN, *packages.CLIENT)

STAGES = (
    Stage(
        "lint",
        (
            ("ruff", "check"),
            ("ruff", "format", "--check"),
            ("python", "-m", "app.config.render", "--check"),
            ("yamllint", "--strict", "."),
            ("ansible-lint", "--offline", "--strict"),
        ),
    ),
    Stage("types", (("mypy",),)),
    Stage("layers", (("lint-imports", "--no-logo"),)),
    Stage("unit", (pytest("tests/unit"),)),
    Stage("calibration", (pytest("tests/calibration"),)),
    Stage("services", (pytest("tests/services"),), ("postgresql", *packages.DEBIAN)),
    Stage(
        "adapters",
        (pytest("tests/adapters", "tests/web", "tests/node", "tests/processes"),),
        ("postgresql", *packages.DEBIAN),
    ),
    Stage("whales", (pytest("tests/whales"),), tuple(packages.DEBIAN)),
    Stage("migrations", (pytest("tests/migrations"),), ("postgresql",)),
    Stage("contract", (pytest("tests/contract"),)),
    Stage("deploy", (pytest("tests/deploy"),), ("systemd", *packages.DEBIAN)),
    Stage("end-to-end", (("make", "up"), pytest("tests/e2e")), CONTAINERS),
    Stage("molecule", (("molecule", "test", "--all"),), CONTAINERS),
    # Last, since the two before share images.
    Stage("down", (pytest("tests/down"),), CONTAINERS),
)


def main(names: list[str]) -> int:
    """Run the named stages, or all; return 0 when every one passed."""
    unknown = set(names) - {stage.name for stage in STAGES}
    if unknown:
        sys.stderr.write(
            f"no such stage: {', '.join(sorted(unknown))}; there are {', '.join(s.name for s in STAGES)}\n"
        )
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    started, summaries, failed = time.monotonic(), list[tuple[str, str]](), False
    for stage in STAGES:
        if names and stage.name not in names:
            continue
        failed = not run(stage)
        text = (LOGS / f"{stage.name}.log").read_text(encoding="utf-8", errors="replace")
        summaries += [(stage.name, line) for line in SUMMARY.findall(text)]
        if failed:
            break
    sys.stdout.write(f"\nin all {time.monotonic() - started:.0f} s; the test runners' own last lines:\n")
    for name, line in summaries:
        sys.stdout.write(f"{name}: {line}\n")
    counts = totals([line for _, line in summaries])
    sys.stdout.write(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped\n")
    return int(failed)


def run(stage: Stage) -> bool:
    """Run one stage, print its line, and the end of its log if it failed; return whether it passed."""
    log_file = LOGS / f"{stage.name}.log"
    started = time.monotonic()
    with log_file.open("w", encoding="utf-8") as log:
        install = [("python3", "tests/node/install_packages.py", *stage.packages)] if stage.packages else []
        passed = all(succeeds(command, log, stage, started) for command in (*install, *stage.commands))
    show(f"{stage.name:<12} {'ok' if passed else 'FAILED':<7}{time.monotonic() - started:6.1f} s\n")
    if not passed:
        lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        sys.stdout.write("\n".join([*lines[-TAIL_LINES:], f"the whole log: {log_file}", ""]))
    sys.stdout.flush()
    return passed


def succeeds(command: tuple[str, ...], log: TextIO, stage: Stage, started: float) -> bool:
    """Run `command` in the checkout, its output into `log`; show progress on a terminal."""
    environ = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"}
    log.write(f"$ {' '.join(command)}\n")
    log.flush()
    with subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    ) as process:
        while process.poll() is None:
            show(f"{stage.name:<12} {time.monotonic() - started:6.0f} s  {' '.join(command)[:60]}")
            try:
                process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                continue
    return process.returncode == 0


def show(line: str) -> None:
    """Rewrite the line of progress on a terminal; elsewhere only whole lines are printed."""
    if sys.stdout.isatty():
        sys.stdout.write(f"\r\033[K{line}")
    elif line.endswith("\n"):
        sys.stdout.write(line)
    sys.stdout.flush()


def totals(summaries: list[str]) -> dict[str, int]:
    """Add up the counts of pytest's last lines."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for summary in summaries:
        for count, word in COUNT.findall(summary):
            counts["failed" if word.startswith("error") else word] += int(count)
    return counts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

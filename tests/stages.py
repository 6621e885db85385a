"""`make test`: prove everything, fastest first, one line a stage with its time.

    python tests/stages.py                 all stages, in order of speed; after one that fails no other is begun
    python tests/stages.py unit services   only these

Stages that mostly wait, or keep one core busy, run side by side, each in a process of its own. Each stage's output goes
to .make/test/<stage>.log; the log of a stage that fails is shown from its end.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
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

# Those in one pair of parentheses run side by side. What measures time or memory of the whole, or shares the
# demonstration node, is alone.
STAGES = (
    (
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
    ),
    (
        Stage("unit", (pytest("tests/unit"),)),
        Stage("calibration", (pytest("tests/calibration"),)),
        Stage("services", (pytest("tests/services"),), ("postgresql", *packages.DEBIAN)),
    ),
    (
        Stage("adapters", (pytest("tests/adapters"),), ("postgresql", *packages.DEBIAN)),
        Stage("processes", (pytest("tests/node", "tests/processes"),), ("postgresql", *packages.DEBIAN)),
    ),
    (Stage("web", (pytest("tests/web"),), ("postgresql",)),),
    (Stage("whales", (pytest("tests/whales"),), tuple(packages.DEBIAN)),),
    (
        Stage("migrations", (pytest("tests/migrations"),), ("postgresql",)),
        Stage("contract", (pytest("tests/contract"),)),
    ),
    (Stage("deploy", (pytest("tests/deploy"),), ("systemd", *packages.DEBIAN)),),
    (Stage("end-to-end", (("make", "up"), pytest("tests/e2e")), CONTAINERS),),
    (Stage("molecule", (("molecule", "test", "--all"),), CONTAINERS),),
    # Last, since the two before share images.
    (Stage("down", (pytest("tests/down"),), CONTAINERS),),
)


def main(names: list[str]) -> int:
    """Run the named stages, or all; return 0 when every one passed."""
    unknown = set(names) - {stage.name for group in STAGES for stage in group}
    if unknown:
        known = ", ".join(stage.name for group in STAGES for stage in group)
        sys.stderr.write(f"no such stage: {', '.join(sorted(unknown))}; there are {known}\n")
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    started, summaries, failed = time.monotonic(), list[tuple[str, str]](), False
    for group in STAGES:
        stages = [stage for stage in group if not names or stage.name in names]
        failed = not run_side_by_side(stages)
        for stage in stages:
            summaries += [(stage.name, line) for line in SUMMARY.findall(log_of(stage))]
        if failed:
            break
    sys.stdout.write(f"\nin all {time.monotonic() - started:.0f} s; the test runners' own last lines:\n")
    for name, line in summaries:
        sys.stdout.write(f"{name}: {line}\n")
    counts = totals([line for _, line in summaries])
    sys.stdout.write(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped\n")
    return int(failed)


def run_side_by_side(stages: Sequence[Stage]) -> bool:
    """Run `stages` at the same time, with progress on a terminal; return whether every one passed."""
    if not stages:
        return True
    started, names = time.monotonic(), ", ".join(stage.name for stage in stages)
    # All of them first: nothing is to be installed while tests run.
    ready = [stage for stage in stages if installed(stage)]
    with ThreadPoolExecutor(max_workers=len(stages)) as pool:
        running = [pool.submit(run, stage) for stage in ready]
        while wait(running, timeout=1).not_done:
            show(f"{names} {time.monotonic() - started:.0f} s")
    return len(running) == len(stages) and all(each.result() for each in running)


def installed(stage: Stage) -> bool:
    """Install what is missing of the stage's packages, one stage after the other: apt has one lock."""
    command = ("python3", "tests/node/install_packages.py", *stage.packages)
    with log_file(stage).open("w", encoding="utf-8") as log:
        done = not stage.packages or succeeds(command, log)
    if not done:
        show(f"{stage.name}: a package could not be installed\n{the_end_of_the_log(stage)}")
    return done


def run(stage: Stage) -> bool:
    """Run one stage, print its line, and the end of its log if it failed; return whether it passed."""
    started = time.monotonic()
    with log_file(stage).open("a", encoding="utf-8") as log:
        passed = all(succeeds(command, log) for command in stage.commands)
    line = f"{stage.name:<12} {'ok' if passed else 'FAILED':<7}{time.monotonic() - started:6.1f} s\n"
    # In one piece, since others print too.
    show(line if passed else line + the_end_of_the_log(stage))
    return passed


def succeeds(command: tuple[str, ...], log: TextIO) -> bool:
    """Run `command` in the checkout, its output into `log`; return whether it exited with 0."""
    environ = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"}
    log.write(f"$ {' '.join(command)}\n")
    log.flush()
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False
    )
    return done.returncode == 0


def log_file(stage: Stage) -> Path:
    """Return where the stage's output goes."""
    return LOGS / f"{stage.name}.log"


def log_of(stage: Stage) -> str:
    """Return the stage's output so far."""
    return log_file(stage).read_text(encoding="utf-8", errors="replace")


def the_end_of_the_log(stage: Stage) -> str:
    """Return the last lines of the stage's output, and where all of it is."""
    return "\n".join([*log_of(stage).splitlines()[-TAIL_LINES:], f"the whole log: {log_file(stage)}", ""])


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

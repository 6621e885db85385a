"""Let nginx take as many connections as the alert stream takes clients, or take that back.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only. nginx takes each of these directives once, and nowhere but in its own file, so one that is too small is changed
where it stands. A line above it says what it was, for the operator, and for whoever takes it back.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

NOTHING = "nothing"
# The only directive of ours that belongs into the block of events; the others stand before it.
OF_EVENTS = "worker_connections"
EVENTS = re.compile(r"^[ \t]*events\s*\{[ \t]*\n?", re.MULTILINE)


def main(text: str) -> None:
    """Print {"changed", "notes"} for `text`, JSON of {"conf", "name", "least", "check"}; or exit 2 with a sentence.

    `conf` is nginx' file, `name` tells whose changes they are, and `least` has the least value of each directive; what
    was raised by an earlier run and is not among them is taken back.
    """
    asked = json.loads(text)
    conf = Path(asked["conf"])
    # All files as one; also the proof that what is wrong afterwards would be our doing.
    whole = run("nginx", "-t", "-q", "-T") if asked["least"] else ""
    before = conf.read_bytes().decode(errors="surrogateescape") if conf.exists() else ""
    after, notes = plan(before, whole, asked["least"], asked["name"])
    if after != before and not asked["check"]:
        replace(conf, after)
    sys.stdout.write(json.dumps({"changed": after != before, "notes": notes}))


def plan(text: str, whole: str, least: dict[str, int], name: str) -> tuple[str, list[str]]:
    """Return what nginx' file should be, and what the operator should know.

    Args:
        text: That file.
        whole: It and all that it includes.
        least: The least value of each directive.
        name: Whose changes they are.
    """
    after, notes = taken_back(text, name), []
    for directive, value in least.items():
        included = None if place_of(text, directive) else value_of(whole, directive)
        if included is None:
            after = raised(after, directive, value, name)
        if (included or value_of(after, directive) or 0) < value:
            notes.append(
                f"nginx has too small a {directive} in a file of yours that it includes; make it {value} there, else "
                "fewer clients get through than the alert stream takes"
            )
    return after, notes


def taken_back(text: str, name: str) -> str:
    """Return `text` as it was before; a value that somebody has changed since then is theirs."""
    marker = re.compile(rf"^[ \t]*# {re.escape(name)}: (\w+) (\d+) instead of (\d+|{NOTHING})\n", re.MULTILINE)
    while found := marker.search(text):
        directive, ours, earlier = found.groups()
        rest = text[found.end() :]
        if earlier == NOTHING:
            rest = re.sub(rf"^[ \t]*{directive} {ours};\n", "", rest, count=1, flags=re.MULTILINE)
        else:
            rest = re.sub(rf"\b({directive}\s+){ours}(?=\s*;)", rf"\g<1>{earlier}", rest, count=1)
        text = text[: found.start()] + rest
    return text


def raised(text: str, directive: str, least: int, name: str) -> str:
    """Return `text` with a value of `directive` that is large enough, and above it what it was."""
    found = place_of(text, directive)
    if found is None:
        return added(text, directive, least, name)
    if int(found[1]) >= least:
        return text
    begin = text.rfind("\n", 0, found.start(1)) + 1
    indent = text[begin : len(text) - len(text[begin:].lstrip(" \t"))]
    marker = f"{indent}# {name}: {directive} {least} instead of {found[1]}\n"
    return text[:begin] + marker + text[begin : found.start(1)] + str(least) + text[found.end(1) :]


def added(text: str, directive: str, least: int, name: str) -> str:
    """Return `text` with `directive` in its block of events or before it; as it is without that block."""
    events = EVENTS.search(text)
    if events is None:
        return text
    at, indent = (events.end(), "\t") if directive == OF_EVENTS else (events.start(), "")
    own_line = "" if text[:at].endswith("\n") or not at else "\n"
    lines = f"{indent}# {name}: {directive} {least} instead of {NOTHING}\n{indent}{directive} {least};\n"
    return text[:at] + own_line + lines + text[at:]


def value_of(text: str, directive: str) -> int | None:
    """Return the value that nginx' `text` gives a directive; None when it gives none."""
    found = place_of(text, directive)
    return int(found[1]) if found else None


def place_of(text: str, directive: str) -> re.Match[str] | None:
    """Return where a directive stands, its value being the first group; a comment is none."""
    return re.search(rf"^[^#\n]*?\b{directive}\s+(\d+)\s*;", text, re.MULTILINE)


def replace(conf: Path, text: str) -> None:
    """Put `text` into `conf` in one step, if nginx takes it."""
    # Beside it, from where nginx finds the other files.
    fresh, status = conf.with_name(f".{conf.name}.fresh"), conf.stat()
    try:
        fresh.write_bytes(text.encode(errors="surrogateescape"))
        fresh.chmod(status.st_mode & 0o7777)
        os.chown(fresh, status.st_uid, status.st_gid)
        run("nginx", "-t", "-q", "-c", str(fresh))
        shutil.move(fresh, conf.resolve())
    finally:
        fresh.unlink(missing_ok=True)


def run(*command: str) -> str:
    """Return what a command prints; leave with 2 and what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - fixed commands
    if done.returncode != 0:
        sys.stderr.write(f"{' '.join(command[:2])}: {done.stderr.strip()}")
        raise SystemExit(2)
    return done.stdout

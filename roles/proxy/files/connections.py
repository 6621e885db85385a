"""Let nginx take as many connections as the alert stream takes clients, or take that back.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only. nginx takes each of these directives once, and nowhere but in its own file, so one that is too small is changed
where it stands. A line above it says who needs that and what it was, for the operator, and for whoever is the last to
take it back.
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
FILES = "worker_rlimit_nofile"
# The only directive of ours that belongs into the block of events; the others stand before it.
OF_EVENTS = "worker_connections"
# What a worker opens beside its connections: logs, pages, and what nginx speaks to itself by.
OTHER_FILES = 1024
MARKER = re.compile(
    r"^[ \t]*# (?P<names>[^\s,:]+(?:, [^\s,:]+)*): "
    rf"(?P<directive>\w+) (?P<value>\d+) instead of (?P<earlier>\d+|{NOTHING})\n",
    re.MULTILINE,
)
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
    least = needed(before, whole, asked["least"], files_of_the_unit()) if asked["least"] else {}
    after, notes = plan(before, whole, least, asked["name"])
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


def needed(text: str, whole: str, least: dict[str, int], files: int) -> dict[str, int]:
    """Return `least` with as many files as the operator's connections take, or without where systemd gives enough.

    A worker takes the limit in nginx' file as its soft and its hard one, so that it would lower a larger one of the
    unit.

    Args:
        text: nginx' file.
        whole: It and all that it includes.
        least: The least value of each directive.
        files: How many files systemd lets nginx open.
    """
    if of_the_operator(text, whole, FILES) is not None:
        return least
    if files >= least[FILES]:
        return {directive: value for directive, value in least.items() if directive != FILES}
    connections = of_the_operator(text, whole, OF_EVENTS) or 0
    return least | {FILES: max(least[FILES], connections + OTHER_FILES)}


def taken_back(text: str, name: str) -> str:
    """Return `text` as it was before, but for what others need, too.

    A value that somebody has changed since then is theirs.
    """
    # From the end, as what is put back stands below its marker.
    for marker in reversed([*MARKER.finditer(text)]):
        names = marker["names"].split(", ")
        others = ", ".join(each for each in names if each != name)
        if name in names and others:
            text = text[: marker.start("names")] + others + text[marker.end("names") :]
        elif name in names:
            text = text[: marker.start()] + put_back(text[marker.end() :], marker)
    return text


def put_back(text: str, marker: re.Match[str]) -> str:
    """Return `text`, which stood below `marker`, with what was there before."""
    directive, ours, earlier = marker["directive"], marker["value"], marker["earlier"]
    if earlier == NOTHING:
        return re.sub(rf"^[ \t]*{directive} {ours};\n", "", text, count=1, flags=re.MULTILINE)
    return re.sub(rf"\b({directive}\s+){ours}(?=\s*;)", rf"\g<1>{earlier}", text, count=1)


def raised(text: str, directive: str, least: int, name: str) -> str:
    """Return `text` with a value of `directive` that is large enough, and above it who needs that and what it was."""
    place, marker, earlier = place_of(text, directive), marker_of(text, directive), earlier_of(text, directive)
    if earlier != NOTHING and int(earlier) >= least:
        return text
    names = {name}
    if marker:
        names.update(marker["names"].split(", "))
        text = text[: marker.start()] + text[marker.end() :]
    text = text if place else added(text, directive, least)
    place = place_of(text, directive)
    if place is None:
        return text
    value, begin = max(least, int(place[1])), place.start()
    indent = text[begin : len(text) - len(text[begin:].lstrip(" \t"))]
    line = f"{indent}# {', '.join(sorted(names))}: {directive} {value} instead of {earlier}\n"
    return text[:begin] + line + text[begin : place.start(1)] + str(value) + text[place.end(1) :]


def added(text: str, directive: str, value: int) -> str:
    """Return `text` with `directive` in its block of events or before it; as it is without that block."""
    events = EVENTS.search(text)
    if events is None:
        return text
    at, indent = (events.end(), "\t") if directive == OF_EVENTS else (events.start(), "")
    own_line = "" if text[:at].endswith("\n") or not at else "\n"
    return f"{text[:at]}{own_line}{indent}{directive} {value};\n{text[at:]}"


def of_the_operator(text: str, whole: str, directive: str) -> int | None:
    """Return the value that a directive has without any appliance, there or in an included file; None without one."""
    if place_of(text, directive) is None:
        return value_of(whole, directive)
    earlier = earlier_of(text, directive)
    return None if earlier == NOTHING else int(earlier)


def earlier_of(text: str, directive: str) -> str:
    """Return the value that a directive had before any appliance raised it, or NOTHING."""
    place, marker = place_of(text, directive), marker_of(text, directive)
    value = place[1] if place else NOTHING
    return marker["earlier"] if marker and marker["value"] == value else value


def marker_of(text: str, directive: str) -> re.Match[str] | None:
    """Return the line that says who needs the value of a directive, and what it was; None when nobody raised it."""
    return next((each for each in MARKER.finditer(text) if each["directive"] == directive), None)


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


def files_of_the_unit() -> int:
    """Return how many files systemd lets nginx open."""
    files = run("systemctl", "show", "-P", "LimitNOFILESoft", "nginx.service").strip()
    return sys.maxsize if files == "infinity" else int(files or 0)

"""Check units, timers, sandboxes and the release of a deployed host.

Part of the acceptance test, as root. Ansible feeds this file to the host's python3 and appends the call of `main`; it
therefore uses the standard library only.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# How far both clocks may be apart.
CLOCK_SECONDS = 1
# How a job ends that an upstream has failed, and longer than the job may take.
LET_DOWN = "2"
START_SECONDS = 600
# What a unit of ours may add to the sandbox, by the settings; tests/deploy/test_templates.py has their reasons.
EXCEPTIONS = ("ProtectHome=read-only", "IPAddressAllow=")
# And what one of them cannot do without, as a whole line.
NEEDED = ("SystemCallFilter=sched_setscheduler",)
# How systemd says that a service has no watchdog.
UNWATCHED = {"0", "infinity"}
SYSTEMD = Path("/etc/systemd/system")
Check = dict[str, Any]


def main(text: str) -> None:
    """Print {"failures", "remarks", "count", "started"} for `text`, the JSON of what to check."""
    asked = json.loads(text)
    # An upstream's fault of the last slot may be over, and nobody wants to wait for the next one.
    started = [unit for unit in asked["jobs"] if asked["may_start"] and was_let_down(unit)]
    for unit in started:
        start(unit)
    checks = patiently(partial(every_check, asked), asked["patience_seconds"])
    failures = [f"verify: {check['name']}: {check['message']}" for check in checks if not check["ok"]]
    remarks = [f"{check['name']}: {check['remark']}" for check in checks if check["remark"]]
    told = {"failures": failures, "remarks": remarks, "count": len(checks), "started": bool(started)}
    sys.stdout.write(json.dumps(told))


def patiently(look: Callable[[], list[Check]], patience_seconds: float) -> list[Check]:
    """Return what `look` finds: without a failure, or at the end of patience, since a service may need a moment."""
    end = time.monotonic() + patience_seconds
    while True:
        checks = look()
        if all(check["ok"] for check in checks) or time.monotonic() >= end:
            return checks
        time.sleep(1)


def verdict(name: str, *problems: str, remark: str = "") -> Check:
    """Return a check that failed if there is any problem to name, each saying what is wrong and what to do."""
    message = " and ".join(filter(None, problems))
    return {"name": name, "ok": not message, "message": message, "remark": remark}


def every_check(asked: dict[str, Any]) -> list[Check]:
    """Return all checks, made side by side, since each waits for systemd."""
    home, services, jobs, timers = Path(asked["home"]), asked["services"], asked["jobs"], asked["timers"]
    makers: list[tuple[str, Callable[[], Check]]] = [
        *((f"unit {unit}", partial(service, unit, home)) for unit in services),
        *((f"unit {unit}", partial(job, unit)) for unit in jobs),
        *((f"timer {unit}", partial(timer, unit)) for unit in timers),
        *(
            (f"sandbox {unit}", partial(sandbox, unit, asked["sandbox_lines"], asked["exposure_max"]))
            for unit in [*services, *jobs]
        ),
        ("unit files", partial(unit_files, [*services, *jobs, *timers])),
        ("release", partial(release, home)),
    ]
    with ThreadPoolExecutor(max_workers=8) as pool:
        return [made.result() for made in [pool.submit(guarded, name, look) for name, look in makers]]


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """Return what `look` finds; that it could not look is a failure of this check, and of no other."""
    try:
        return look()
    except subprocess.TimeoutExpired as error:
        return verdict(name, f"`{' '.join(error.cmd)}` took over {error.timeout:.0f} s; see `systemctl status`")
    except OSError as error:
        return verdict(name, f"cannot be looked at ({error}); run verify again, or see `journalctl -k`")


def run(*command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Return the finished process of `command`."""
    environ = {**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
    return subprocess.run(  # noqa: S603 - systemd's own commands
        command, capture_output=True, text=True, timeout=seconds, env=environ, check=False
    )


def properties(unit: str, *names: str) -> dict[str, str]:
    """Return properties of `unit` by name."""
    lines = run("systemctl", "show", "--property", ",".join(names), unit).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def service(unit: str, home: Path) -> Check:
    """A long-running service is enabled, up, watched, as its files say, and from the current release."""
    found = properties(
        unit,
        "LoadState",
        "ActiveState",
        "SubState",
        "UnitFileState",
        "NeedDaemonReload",
        "WatchdogUSec",
        "ExecMainStartTimestampMonotonic",
    )
    if found.get("LoadState") != "loaded":
        return verdict(f"unit {unit}", f"is {found.get('LoadState')}; deploy again")
    problems = []
    if found["ActiveState"] != "active":
        problems.append(f"is {found['ActiveState']} ({found['SubState']}); see `journalctl -u {unit}`, then start it")
    if found["UnitFileState"] != "enabled":
        problems.append(f"is {found['UnitFileState']}, so a reboot would not bring it up; `systemctl enable {unit}`")
    if found["WatchdogUSec"] in UNWATCHED:
        problems.append("has no watchdog, so nobody would notice that it hangs; remove what takes it away")
    if found["NeedDaemonReload"] == "yes":
        problems.append("was changed on disk since systemd read it; `systemctl daemon-reload` and restart it")
    if found["ActiveState"] == "active" and is_older(found["ExecMainStartTimestampMonotonic"], home / "current"):
        problems.append(f"was started before {home / 'current'} was changed, so it runs another release; restart it")
    return verdict(f"unit {unit}", *problems)


def is_older(started_microseconds: str, link: Path) -> bool:
    """Return whether a start, by systemd's monotonic clock, was before `link` was made; never without a link.

    Not by the directory of the process, since root in a container may not look there. And by the time of day as the
    clock goes now: a machine without a clock of its own does not know it yet when it boots.
    """
    if not link.is_symlink():
        return False
    started = time.time() - (time.monotonic() - int(started_microseconds) / 1e6)
    return started < link.lstat().st_mtime - CLOCK_SECONDS


def was_let_down(unit: str) -> bool:
    """Return whether the last run of a job, by its own exit code, could not do what others must help with."""
    found = properties(unit, "Result", "ExecMainStatus")
    return (found.get("Result"), found.get("ExecMainStatus")) == ("exit-code", LET_DOWN)


def start(unit: str) -> None:
    """Run a job to its end; what became of it is a check's to say."""
    # One that takes too long is stopped by its own unit first.
    with suppress(subprocess.TimeoutExpired):
        run("systemctl", "start", unit, seconds=START_SECONDS)


def job(unit: str) -> Check:
    """A job's last run went well, or was let down by an upstream, which is a remark."""
    found = properties(unit, "LoadState", "Result", "ExecMainStatus", "NeedDaemonReload")
    if found.get("LoadState") != "loaded":
        return verdict(f"unit {unit}", f"is {found.get('LoadState')}; deploy again")
    problems, remark = [], ""
    result, status = found["Result"], found["ExecMainStatus"]
    if (result, status) == ("exit-code", LET_DOWN):
        remark = f"ended its last run with {status}, as it does when an upstream fails it; see `journalctl -u {unit}`"
    elif result != "success":
        problems.append(f"ended its last run with {result} ({status}); see `journalctl -u {unit}`")
    if found["NeedDaemonReload"] == "yes":
        problems.append("was changed on disk since systemd read it; `systemctl daemon-reload`")
    return verdict(f"unit {unit}", *problems, remark=remark)


def timer(unit: str) -> Check:
    """A timer is enabled, waiting, and knows when it fires next."""
    found = properties(
        unit,
        "LoadState",
        "ActiveState",
        "UnitFileState",
        "NextElapseUSecRealtime",
        "NextElapseUSecMonotonic",
        "SubState",
    )
    if found.get("LoadState") != "loaded":
        return verdict(f"timer {unit}", f"is {found.get('LoadState')}; deploy again")
    problems = []
    if found["ActiveState"] != "active":
        problems.append(f"is {found['ActiveState']}; `systemctl start {unit}`")
    elif found["SubState"] == "waiting" and not is_set(found):
        problems.append(f"has no next run; see `systemctl list-timers {unit}`")
    if found["UnitFileState"] != "enabled":
        problems.append(f"is {found['UnitFileState']}, so a reboot would not bring it up; `systemctl enable {unit}`")
    return verdict(f"timer {unit}", *problems)


def is_set(found: dict[str, str]) -> bool:
    """Return whether either clock has a next run."""
    times = (found.get("NextElapseUSecRealtime", ""), found.get("NextElapseUSecMonotonic", ""))
    return any(value not in {"", "0", "infinity"} for value in times)


def sandbox(unit: str, expected: list[str], exposure_max: float) -> Check:
    """A service's exposure is low, and its file has every line of the shared sandbox."""
    name, file = f"sandbox {unit}", SYSTEMD / unit
    if not file.exists():
        return verdict(name, f"{file} is missing; deploy again")
    lines = lines_of(file)
    missing = [line for line in expected if line not in lines]
    problems = [f"{file} lacks {', '.join(missing)}; deploy again"] if missing else []
    drop_ins = [Path(name) for name in properties(unit, "DropInPaths").get("DropInPaths", "").split()]
    for each in [file, *drop_ins]:
        if weaker := weakening(each, expected, is_ours=each == file):
            remedy = "deploy again" if each == file else f"remove {each} and `systemctl daemon-reload`"
            problems.append(f"{each} sets {', '.join(weaker)}; {remedy}")
    analysed = run("systemd-analyze", "security", "--no-pager", unit)
    score = re.search(r"Overall exposure level for \S+: ([\d.]+)", analysed.stdout)
    if score is None:
        problems.append(f"systemd-analyze does not score it ({analysed.stderr.strip()[:200]}); see the unit's file")
    elif float(score.group(1)) > exposure_max:
        where = properties(unit, "DropInPaths").get("DropInPaths") or str(file)
        problems.append(f"its exposure is {score.group(1)}, above {exposure_max}; look at {where}, or deploy again")
    return verdict(name, *problems)


def lines_of(file: Path) -> list[str]:
    """Return the lines of a unit's file, without blanks at their ends."""
    return [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]


def weakening(file: Path, expected: list[str], *, is_ours: bool) -> list[str]:
    """Return the lines of `file` that change what the sandbox sets, since a score hardly shows the loss of one.

    The unit's own file may have some of them.
    """
    keys = {line.partition("=")[0] for line in expected}
    set_here = [line for line in lines_of(file) if re.split(r"\s*=", line)[0] in keys]
    others = [line for line in set_here if line not in expected]
    return [line for line in others if not (is_ours and (line in NEEDED or line.startswith(EXCEPTIONS)))]


def unit_files(units: list[str]) -> Check:
    """Systemd has nothing to say about our unit files."""
    files = [str(SYSTEMD / unit) for unit in units if (SYSTEMD / unit).exists()]
    said = run("systemd-analyze", "verify", *files).stderr.splitlines() if files else []
    # It also talks about units of others that ours happen to pull in.
    about_ours = [line for line in said if any(unit in line for unit in units)]
    return verdict("unit files", *(f"{line}; deploy again" for line in about_ours))


def release(home: Path) -> Check:
    """The link `current` leads to a whole release."""
    link = home / "current"
    if not link.is_symlink():
        return verdict("release", f"{link} is not a link; deploy again")
    target = link.resolve()
    whole = target.parent == home.resolve() / "releases" and (target / "venv/bin/python").exists()
    return verdict("release", "" if whole else f"{link} leads to {target}, which is no whole release; deploy again")

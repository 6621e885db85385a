"""Run `utxoracle verify`, the application's own half of the acceptance test; and the first integration when it is due.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_SECONDS = 120
PRICE_ROW = "price_row"
Check = dict[str, Any]


def main(text: str) -> None:
    """Print {"failures", "remarks", "count", "started"} for `text`, the JSON of what to run."""
    asked = json.loads(text)
    checks = application(asked["command"])
    # The timer would bring the first row within ten minutes, and nobody wants to wait for that.
    started = asked["may_start"] and any(check["name"] == PRICE_ROW and not check["ok"] for check in checks)
    if started:
        subprocess.run(["systemctl", "start", asked["integration"]], check=False, capture_output=True)  # noqa: S603, S607
    if started or not all(check["ok"] for check in checks):
        checks = patiently(partial(application, asked["command"]), asked["patience_seconds"])
    failures = [f"verify: {check['name']}: {check['message']}" for check in checks if not check["ok"]]
    remarks = [f"{check['name']}: {check['message']}" for check in checks if check["status"] == "warning"]
    sys.stdout.write(json.dumps({"failures": failures, "remarks": remarks, "count": len(checks), "started": started}))


def patiently(look: Callable[[], list[Check]], patience_seconds: float) -> list[Check]:
    """Return what `look` finds: without a failure, or at the end of patience, since a service may need a moment."""
    end = time.monotonic() + patience_seconds
    while True:
        checks = look()
        if all(check["ok"] for check in checks) or time.monotonic() >= end:
            return checks
        time.sleep(1)


def application(command: str) -> list[Check]:
    """Return what `utxoracle verify` found, or the one reason why it could not look."""
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            [command, "verify", "--json"], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except OSError as error:
        return [failed("application", f"{command} does not start ({error.strerror}); deploy again")]
    except subprocess.TimeoutExpired:
        return [failed("application", f"`{command} verify` took over {TIMEOUT_SECONDS} s; see journalctl")]
    try:
        checks: list[Check] = json.loads(done.stdout)["checks"]
    except (ValueError, KeyError, TypeError):
        what = (done.stderr or done.stdout).strip()[-1500:]
        return [failed("application", f"`{command} verify` left with {done.returncode}: {what}")]
    return checks


def failed(name: str, message: str) -> Check:
    """Return a check that went wrong; `message` says what is wrong and what to do."""
    return {"name": name, "ok": False, "status": "failed", "message": message}

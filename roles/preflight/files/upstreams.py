"""Ask electrs and mempool what they are, change nothing, and print every problem with what to do about it.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only, and no syntax newer than Python 3.8, so that an old host is told so instead of failing on the way.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 5
OK = 200


class Findings:
    """What is wrong (stops the deploy) and what the operator should know (does not)."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []

    def print_as_json(self) -> None:
        """Print both lists."""
        sys.stdout.write(json.dumps({"problems": self.problems, "notes": self.notes}))


def main(text: str) -> None:
    """Print the findings for `text`, the JSON of both addresses."""
    asked = json.loads(text)
    findings = Findings()
    check_electrs(findings, asked["electrs_url"])
    check_mempool(findings, asked["mempool_url"])
    findings.print_as_json()


def check_electrs(findings: Findings, url: str) -> None:
    """If there is an electrs, it is one that speaks HTTP."""
    if not url:
        return
    where = urlsplit(url)
    try:
        status, text = fetch(url + "/blocks/tip/height")
    except (OSError, ValueError) as error:
        if speaks_electrum(where.hostname, where.port or 80):
            findings.problems.append(
                f"{url} is an Electrum server without HTTP (romanz/electrs is one); set settings_electrs_api_url to "
                "the REST address of an Esplora electrs, or to nothing"
            )
        else:
            findings.notes.append(
                f"electrs does not answer at {url} ({reason(error)}); start it, or set "
                "settings_electrs_api_url to nothing"
            )
        return
    if status != OK or not text.strip().isdigit():
        findings.problems.append(
            f"{url} answers over HTTP but is no Esplora REST (/blocks/tip/height gave {status}); set "
            "settings_electrs_api_url to the REST address of an Esplora electrs, or to nothing"
        )


def speaks_electrum(host: str | None, port: int) -> bool:
    """Return whether an Electrum server answers there."""
    question = b'{"jsonrpc":"2.0","id":0,"method":"server.version","params":["preflight","1.4"]}\n'
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_SECONDS) as stream:
            stream.sendall(question)
            with stream.makefile("rb") as lines:
                return "result" in json.loads(lines.readline(65_536))
    except (OSError, ValueError, TypeError):
        return False


def check_mempool(findings: Findings, url: str) -> None:
    """Without mempool rows lack an exchange price, which is worth a note and no more."""
    base = re.sub(r"(/api(/v1)?)*/?\Z", "", url)
    try:
        status, text = fetch(base + "/api/v1/prices")
        usable = status == OK and "USD" in json.loads(text)
    except (OSError, ValueError, TypeError) as error:
        findings.notes.append(
            f"mempool does not answer at {url} ({reason(error)}); rows lack an exchange price until it does, or until "
            "settings_mempool_api_url is right"
        )
        return
    if not usable:
        findings.notes.append(
            f"{url} is no mempool backend (/api/v1/prices gave {status}); see settings_mempool_api_url"
        )


def fetch(url: str) -> tuple[int, str]:
    """Return status and text of a GET; raise OSError or ValueError when what answers is not HTTP."""
    # The named host itself, whatever proxy the environment names.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read(65_536).decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, ""
    except http.client.HTTPException as error:
        raise ValueError("what answers is not HTTP") from error


def reason(error: Exception) -> str:
    """Return the short cause of a failed request."""
    return str(getattr(error, "reason", error)) or type(error).__name__

"""Ask bitcoind what it is, change nothing, and print every problem with what to do about it.

Ansible feeds this file to the host's python3 and appends the call of `main`; it therefore uses the standard library
only, and no syntax newer than Python 3.8, so that an old host is told so instead of failing on the way.
"""

from __future__ import annotations

import base64
import contextlib
import grp
import http.client
import json
import re
import stat
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_SECONDS = 5
UNAUTHORISED, FORBIDDEN = 401, 403


class Findings:
    """What is wrong (stops the deploy) and what the operator should know (does not)."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []

    def print_as_json(self) -> None:
        """Print both lists."""
        sys.stdout.write(json.dumps({"problems": self.problems, "notes": self.notes}))


def main(text: str) -> None:
    """Print the findings for `text`, the JSON of the settings that concern bitcoind."""
    findings = Findings()
    check_bitcoind(findings, json.loads(text))
    findings.print_as_json()


class RpcError(Exception):
    """A call that was answered with an error; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def rpc(url: str, credentials: str, method: str) -> Any:  # noqa: ANN401 - JSON
    """Return the result of a JSON-RPC call; raise RpcError, or OSError when nobody answers."""
    body = json.dumps({"jsonrpc": "1.0", "id": "preflight", "method": method, "params": []}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - checked: http(s)
    request.add_header("Authorization", "Basic " + base64.b64encode(credentials.encode()).decode())
    try:
        with direct().open(request, timeout=TIMEOUT_SECONDS) as answer:
            return json.load(answer)["result"]
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        with contextlib.suppress(ValueError, TypeError, KeyError):
            text = json.loads(text)["error"]["message"]
        raise RpcError(error.code, text) from None
    except (http.client.HTTPException, KeyError, TypeError) as error:
        raise ValueError("what answers is not bitcoind") from error


def direct() -> urllib.request.OpenerDirector:
    """Return an opener that goes to the named host itself, whatever proxy the environment names."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def credentials_of(asked: dict[str, Any]) -> str | None:
    """Return user:password as given, as the node role keeps them, or from a cookie; None without any."""
    if asked["rpc_user"] and asked["rpc_password"]:
        return f"{asked['rpc_user']}:{asked['rpc_password']}"
    if asked["rpc_cookie_file"]:
        return content(asked["rpc_cookie_file"])
    made = content(asked["node_rpc_password_file"])
    if made:
        return f"{asked['node_rpc_user']}:{made}"
    if not asked["node_enabled"]:
        return None
    return next(filter(None, map(content, running_cookies())), None)


def content(file: str | Path) -> str | None:
    """Return the text of a small file without its line end; None when it cannot be read."""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def running_cookies() -> Iterator[Path]:
    """Yield the cookie files that lie in the data directory of a running bitcoind."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, KeyError, RuntimeError):
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if any(Path(word).name == "bitcoind" for word in words[:3]):
                named = [word.split("=", 1)[1] for word in words if re.match(r"--?datadir=", word)]
                home = Path(f"~{process.owner()}").expanduser()
                directory = Path(named[0]) if named else home / ".bitcoin"
                yield from [*directory.glob(".cookie"), *directory.glob("*/.cookie")]


def check_bitcoind(findings: Findings, asked: dict[str, Any]) -> None:
    """The node answers us, is on the network that was asked for, and has caught up."""
    url, credentials = asked["rpc_url"], credentials_of(asked)
    try:
        chain = rpc(url, credentials or ":", "getblockchaininfo")
    except RpcError as error:
        report_refusal(findings, url, error, credentials, asked)
    except (OSError, ValueError) as error:
        findings.problems.append(
            f"bitcoind does not answer at {url} ({reason(error)}); start it, or correct settings_bitcoin_rpc_url"
        )
    else:
        check_chain(findings, chain, asked["network"])
        check_cookie(findings, asked)
        if asked["zmq"] and not asked["node_enabled"]:
            check_zmq(findings, url, credentials)


def report_refusal(
    findings: Findings, url: str, error: RpcError, credentials: str | None, asked: dict[str, Any]
) -> None:
    """Say why a bitcoind that answers does not let us in."""
    if error.status == UNAUTHORISED and credentials is None:
        if asked["rpc_cookie_file"]:
            findings.problems.append(
                "{} cannot be read; set settings_bitcoin_rpc_cookie_file to the cookie of the running bitcoind".format(
                    asked["rpc_cookie_file"]
                )
            )
        elif asked["node_enabled"]:
            findings.notes.append("there are no credentials for bitcoind yet; the node role makes some")
        else:
            findings.problems.append(
                f"bitcoind at {url} wants credentials and there are none; set settings_bitcoin_rpc_cookie_file, or "
                "settings_bitcoin_rpc_user and settings_bitcoin_rpc_password, or node_enabled: true to have a user made"
            )
    elif error.status == UNAUTHORISED and asked["node_enabled"] and not (asked["rpc_user"] or asked["rpc_cookie_file"]):
        findings.notes.append(f"bitcoind at {url} does not know our user yet; the node role sees to it")
    elif error.status == UNAUTHORISED:
        findings.problems.append(
            f"bitcoind at {url} refuses our credentials; correct settings_bitcoin_rpc_user and "
            "settings_bitcoin_rpc_password, or settings_bitcoin_rpc_cookie_file"
        )
    elif error.status == FORBIDDEN:
        findings.problems.append(
            f"bitcoind at {url} forbids getblockchaininfo; add it to rpcwhitelist, or this host to rpcallowip"
        )
    else:
        findings.problems.append(f"bitcoind at {url} is not ready ({error}); wait until it is, and deploy again")


def check_chain(findings: Findings, chain: dict[str, Any], network: str) -> None:
    """The network is right and the blocks are there."""
    if chain["chain"] != network:
        findings.problems.append(
            f"bitcoind is on {chain['chain']} and settings_bitcoin_network says {network}; correct one of them"
        )
    if chain["initialblockdownload"]:
        findings.problems.append(
            f"bitcoind is still in initial block download ({chain['blocks']} of {chain['headers']} blocks); "
            "deploy again when it has caught up"
        )
    if chain.get("pruned"):
        oldest = chain.get("pruneheight", "?")
        findings.notes.append(f"bitcoind is pruned: days before block {oldest} cannot be estimated from it")


def check_cookie(findings: Findings, asked: dict[str, Any]) -> None:
    """What root can read, the service's user can read, too."""
    if asked["rpc_user"] or not asked["rpc_cookie_file"]:
        return
    file = Path(asked["rpc_cookie_file"]).resolve()
    for path, bit in [(file, stat.S_IROTH), *((parent, stat.S_IXOTH) for parent in file.parents)]:
        status = path.stat()
        group = group_of(status.st_gid)
        if status.st_mode & bit or (status.st_mode & bit << 3 and group in asked["groups"]):
            continue
        remedy = (
            f'set host_groups: ["{group}"]' if status.st_mode & bit << 3 else "set rpccookieperms=group in bitcoin.conf"
        )
        findings.problems.append(
            f"the service's user may not read {file}, because of the mode of {path}; {remedy}, or use an RPC user"
        )
        return


def group_of(gid: int) -> str:
    """Return the name of a group, or the number of one that has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def check_zmq(findings: Findings, url: str, credentials: str | None) -> None:
    """The node publishes what `auto` would look for."""
    try:
        published = {each["type"] for each in rpc(url, credentials or ":", "getzmqnotifications")}
    except RpcError as error:
        findings.problems.append(
            f"bitcoind does not say what it publishes over ZMQ ({error}); allow getzmqnotifications in rpcwhitelist, "
            "or set settings_zmq_rawtx_url and settings_zmq_sequence_url"
        )
        return
    missing = [name for name in ("pubrawtx", "pubsequence") if name not in published]
    if missing:
        findings.problems.append(
            f"bitcoind publishes no {' and no '.join(missing)} over ZMQ; set node_enabled: true to have it added, add "
            f"zmq{missing[0]}=tcp://127.0.0.1:28332 to bitcoin.conf yourself, or set settings_zmq_rawtx_url and "
            "settings_zmq_sequence_url to off"
        )


def reason(error: Exception) -> str:
    """Return the short cause of a failed request."""
    return str(getattr(error, "reason", error)) or type(error).__name__

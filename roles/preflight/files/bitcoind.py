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
# More than any call takes, so that bitcoind refuses them and does nothing; whom it forbids a call it tells so first.
SENSELESS = ("?",) * 12


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


def rpc(url: str, credentials: str, method: str, params: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 - JSON
    """Return the result of a JSON-RPC call; raise RpcError, or OSError when nobody answers."""
    body = json.dumps({"jsonrpc": "1.0", "id": "preflight", "method": method, "params": params}).encode()
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


def credentials_of(asked: dict[str, Any]) -> Iterator[str]:
    """Yield each user:password to try: what was given and nothing else, or what the node role keeps, then cookies."""
    if asked["rpc_user"] and asked["rpc_password"]:
        yield f"{asked['rpc_user']}:{asked['rpc_password']}"
        return
    if asked["rpc_cookie_file"]:
        yield from filter(None, [content(asked["rpc_cookie_file"])])
        return
    made = content(asked["node_rpc_password_file"])
    if made:
        yield f"{asked['node_rpc_user']}:{made}"
    if asked["node_enabled"]:
        cookies = [*configured_cookies(asked["node_conf"]), *running_cookies()]
        yield from filter(None, map(content, cookies))


def content(file: str | Path) -> str | None:
    """Return the text of a small file without its line end; None when it cannot be read."""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def configured_cookies(conf: str) -> Iterator[Path]:
    """Yield the cookie files that lie in the data directories of a bitcoin.conf."""
    for named in re.findall(r"^[ \t]*(?:\w+\.)?datadir[ \t]*=[ \t]*(/[^#\r\n]*)", content(conf) or "", re.MULTILINE):
        yield from cookies_below(Path(named.strip()))


def cookies_below(directory: Path) -> Iterator[Path]:
    """Yield the cookie files in a data directory, of every network."""
    yield from directory.glob(".cookie")
    yield from directory.glob("*/.cookie")


def running_cookies() -> Iterator[Path]:
    """Yield the cookie files that lie in the data directory of a running bitcoind."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, KeyError, RuntimeError):
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if any(Path(word).name == "bitcoind" for word in words[:3]):
                named = [word.split("=", 1)[1] for word in words if re.match(r"--?datadir=", word)]
                home = Path(f"~{process.owner()}").expanduser()
                directory = Path(named[0]) if named else home / ".bitcoin"
                yield from list(cookies_below(directory))


def check_bitcoind(findings: Findings, asked: dict[str, Any]) -> None:
    """The node answers us, is on the network that was asked for, and has caught up."""
    url = asked["rpc_url"]
    try:
        chain, credentials = chain_of(url, asked)
    except RefusedError as error:
        report_refusal(findings, url, error, asked)
    except (OSError, ValueError) as error:
        findings.problems.append(
            f"bitcoind does not answer at {url} ({reason(error)}); start it, or correct settings_bitcoin_rpc_url"
        )
    else:
        check_chain(findings, chain, asked["network"])
        check_cookie(findings, asked)
        if asked["node_enabled"] and not (asked["rpc_user"] or asked["rpc_cookie_file"]):
            note_unknown_user(findings, url, credentials, asked)
        if asked["rpc_user"] or asked["rpc_cookie_file"]:
            check_calls(findings, url, credentials, asked["calls"])
        if asked["zmq"] and not asked["node_enabled"]:
            check_zmq(findings, url, credentials, asked["zmq"])


class RefusedError(RpcError):
    """Nothing that was tried let us in; `tried` says whether anything was there to try."""

    def __init__(self, error: RpcError, *, tried: bool) -> None:
        super().__init__(error.status, str(error))
        self.tried = tried


def chain_of(url: str, asked: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return what bitcoind says of its chain, and the first credentials that it says it to."""
    refusal: RpcError | None = None
    tried = list(dict.fromkeys(credentials_of(asked)))
    for credentials in tried or [":"]:
        try:
            return rpc(url, credentials, "getblockchaininfo"), credentials
        except RpcError as error:
            if error.status not in {UNAUTHORISED, FORBIDDEN}:
                raise RefusedError(error, tried=bool(tried)) from None
            # The first is the one that the appliance would use.
            refusal = refusal or error
    assert refusal is not None  # noqa: S101 - the loop ran once at least
    raise RefusedError(refusal, tried=bool(tried))


def note_unknown_user(findings: Findings, url: str, credentials: str, asked: dict[str, Any]) -> None:
    """Say that only a cookie let us in, if so."""
    if not credentials.startswith(asked["node_rpc_user"] + ":"):
        findings.notes.append(f"bitcoind at {url} does not know our user yet; the node role sees to it")


def report_refusal(findings: Findings, url: str, error: RefusedError, asked: dict[str, Any]) -> None:
    """Say why a bitcoind that answers does not let us in."""
    if error.status == UNAUTHORISED and not error.tried:
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
        if status.st_mode & bit << 3:
            remedy = f'set host_groups: ["{group}"]'
        else:
            # bitcoind's own option is for the file alone.
            remedy = "set rpccookieperms=group in bitcoin.conf" if path == file else f"chmod g+x {path}"
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


def check_calls(findings: Findings, url: str, credentials: str, calls: list[str]) -> None:
    """The operator's own user may make every call that the appliance makes."""
    try:
        forbidden = [call for call in calls if is_forbidden(url, credentials, call)]
    except (OSError, ValueError) as error:
        findings.problems.append(
            f"bitcoind at {url} stopped answering while it was asked what it allows ({reason(error)}); deploy again "
            "when it answers"
        )
        return
    if forbidden:
        findings.problems.append(
            f"bitcoind at {url} forbids {', '.join(forbidden)}; add {'it' if len(forbidden) == 1 else 'them'} to the "
            "rpcwhitelist of that user in bitcoin.conf, restart bitcoind, and deploy again"
        )


def is_forbidden(url: str, credentials: str, call: str) -> bool:
    """Return whether a call is not on the user's whitelist, by making it in a way that does nothing."""
    try:
        rpc(url, credentials, call, SENSELESS)
    except RpcError as error:
        return error.status == FORBIDDEN
    return False


def check_zmq(findings: Findings, url: str, credentials: str, wanted: dict[str, str]) -> None:
    """The node publishes what `auto` would look for: the topics `wanted`, each with an address that would do."""
    try:
        published = {each["type"] for each in rpc(url, credentials, "getzmqnotifications")}
    except (OSError, ValueError) as error:
        findings.problems.append(
            f"bitcoind at {url} stopped answering while it was asked what it publishes over ZMQ ({reason(error)}); "
            "deploy again when it answers"
        )
        return
    except RpcError as error:
        findings.problems.append(
            f"bitcoind does not say what it publishes over ZMQ ({error}); allow getzmqnotifications in rpcwhitelist, "
            "or set settings_zmq_rawtx_url and settings_zmq_sequence_url"
        )
        return
    missing = [topic for topic in wanted if topic not in published]
    if missing:
        lines = " and ".join(f"zmq{topic}={wanted[topic]}" for topic in missing)
        settings = " and ".join(f"settings_zmq_{topic[len('pub') :]}_url" for topic in missing)
        findings.problems.append(
            f"bitcoind publishes no {' and no '.join(missing)} over ZMQ; set node_enabled: true to have it added, add "
            f"{lines} to bitcoin.conf yourself, or set {settings} to off"
        )


def reason(error: Exception) -> str:
    """Return the short cause of a failed request."""
    return str(getattr(error, "reason", error)) or type(error).__name__

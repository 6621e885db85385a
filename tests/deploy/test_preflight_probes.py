"""What preflight finds out about hosts and nodes, against the real thing wherever there is one."""

from __future__ import annotations

import grp
import json
import os
import pwd
import socket
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.configured_bitcoind import configured_bitcoind
from tests.deploy.program import program
from tests.node.bitcoind import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

host = program("preflight/files/host.py")
bitcoind = program("preflight/files/bitcoind.py")
upstreams = program("preflight/files/upstreams.py")

ME = "rpcauth=" + program("node/files/bitcoin_conf.py").rpcauth("me", "ß", "5a17")
AS_ME = {"rpc_user": "me", "rpc_password": "ß"}
PUBLISHES = "zmqpubrawtx=tcp://127.0.0.1:{}\nzmqpubsequence=tcp://127.0.0.1:{}"


def _asked(url: str, **changes: object) -> dict[str, Any]:
    return {
        "rpc_url": url,
        "rpc_user": "",
        "rpc_password": "",
        "rpc_cookie_file": "",
        "groups": [],
        "node_enabled": False,
        "node_rpc_user": "utxoracle",
        "node_rpc_password_file": "/nonexistent/password",
        "network": "regtest",
        "zmq": True,
        **changes,
    }


def _problems(check: Any, *arguments: object) -> list[str]:  # noqa: ANN401 - any check of any probe
    findings = host.Findings()
    check(findings, *arguments)
    problems: list[str] = findings.problems
    return problems


def _notes(check: Any, *arguments: object) -> list[str]:  # noqa: ANN401 - any check of any probe
    findings = host.Findings()
    check(findings, *arguments)
    assert findings.problems == []
    notes: list[str] = findings.notes
    return notes


# bitcoind


def test_a_node_that_is_ready_is_fine(tmp_path: Path) -> None:
    with configured_bitcoind(tmp_path, f"{ME}\n{PUBLISHES.format(free_port(), free_port())}") as node:
        _mine(node)
        assert _notes(bitcoind.check_bitcoind, _asked(node.url, **AS_ME)) == []


def test_each_thing_wrong_with_a_running_node_is_told(tmp_path: Path) -> None:
    with configured_bitcoind(tmp_path, ME) as node:
        (downloading,) = _problems(bitcoind.check_bitcoind, _asked(node.url, **AS_ME, zmq=False))
        assert "initial block download" in downloading
        _mine(node)
        (silent,) = _problems(bitcoind.check_bitcoind, _asked(node.url, **AS_ME))
        assert "no pubrawtx and no pubsequence over ZMQ; set node_enabled: true" in silent
        (network,) = _problems(
            bitcoind.check_bitcoind,
            _asked(node.url, **AS_ME, zmq=False, network="main"),
        )
        assert network == "bitcoind is on regtest and settings_bitcoin_network says main; correct one of them"
        (nobody,) = _problems(bitcoind.check_bitcoind, _asked(node.url))
        assert "wants credentials and there are none" in nobody
        (wrong,) = _problems(bitcoind.check_bitcoind, _asked(node.url, rpc_user="me", rpc_password="wrong"))  # noqa: S106 - nobody's
        assert "refuses our credentials" in wrong
        (cookieless,) = _problems(bitcoind.check_bitcoind, _asked(node.url, rpc_cookie_file=str(tmp_path / "gone")))
        assert "gone cannot be read" in cookieless


def test_a_cookie_that_only_root_can_read_is_told_with_the_group_that_would_help(tmp_path: Path) -> None:
    with configured_bitcoind(tmp_path, "") as node:
        _mine(node)
        cookie = str(node.cookie)
        problems = _problems(bitcoind.check_bitcoind, _asked(node.url, rpc_cookie_file=cookie, zmq=False))
    assert [each.partition(";")[0] for each in problems] == [
        f"the service's user may not read {cookie}, because of the mode of {cookie}"
    ]


def test_a_cookie_is_readable_by_everybody_or_by_a_group_of_the_services_user() -> None:
    group = grp.getgrgid(os.getegid()).gr_name
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        cookie = Path(directory) / "regtest" / ".cookie"
        cookie.parent.mkdir()
        cookie.touch()
        wants = [(0o755, 0o755, 0o644, []), (0o755, 0o755, 0o640, [group]), (0o750, 0o710, 0o640, [group])]
        refuses = [(0o755, 0o755, 0o640, ["other"]), (0o755, 0o700, 0o644, [group]), (0o755, 0o755, 0o600, [group])]
        for top, parent, file, groups in wants + refuses:
            Path(directory).chmod(top)
            cookie.parent.chmod(parent)
            cookie.chmod(file)
            found = _problems(bitcoind.check_cookie, _asked("", rpc_cookie_file=str(cookie), groups=groups))
            assert bool(found) == ((top, parent, file, groups) in refuses)
        (asks_for_group,) = _problems(
            bitcoind.check_cookie, _asked("", rpc_cookie_file=str(cookie.parent / "../regtest/.cookie"))
        )
        assert "rpccookieperms=group" in asks_for_group


def test_a_node_that_the_node_role_will_see_to_may_go_on(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("not known to bitcoind yet\n", encoding="utf-8")
    with configured_bitcoind(tmp_path, "") as node:
        asked = _asked(node.url, node_enabled=True, node_rpc_password_file=str(password))
        assert "the node role sees to it" in _notes(bitcoind.check_bitcoind, asked)[0]


def test_the_cookie_of_a_running_bitcoind_is_found(tmp_path: Path) -> None:
    with configured_bitcoind(tmp_path, "") as node:
        assert node.cookie in list(bitcoind.running_cookies())


def test_a_closed_port_is_told() -> None:
    (problem,) = _problems(bitcoind.check_bitcoind, _asked(f"http://127.0.0.1:{free_port()}"))
    assert "does not answer" in problem
    assert problem.endswith("start it, or correct settings_bitcoin_rpc_url")


def test_a_server_that_is_no_bitcoind_is_told() -> None:
    with _lines(b"+PONG\r\n") as port:
        (problem,) = _problems(bitcoind.check_bitcoind, _asked(f"http://127.0.0.1:{port}"))
    assert "what answers is not bitcoind" in problem


def _mine(node: Any) -> None:  # noqa: ANN401 - a Node
    node.call("generatetodescriptor", 1, node.call("getdescriptorinfo", "raw(51)")["descriptor"])


# electrs and mempool


def test_an_electrum_server_is_told_apart_from_a_dead_one() -> None:
    with _lines(b'{"id":0,"jsonrpc":"2.0","result":["electrs/0.10","1.4"]}\n') as port:
        (problem,) = _problems(upstreams.check_electrs, f"http://127.0.0.1:{port}")
    assert "is an Electrum server without HTTP" in problem
    (note,) = _notes(upstreams.check_electrs, f"http://127.0.0.1:{free_port()}")
    assert "electrs does not answer" in note


def test_an_http_server_that_is_no_esplora_is_told() -> None:
    with _http({"/": "hello"}) as url:
        (problem,) = _problems(upstreams.check_electrs, url)
    assert "is no Esplora REST (/blocks/tip/height gave 404)" in problem


def test_an_esplora_and_none_at_all_are_fine() -> None:
    with _http({"/blocks/tip/height": "812"}) as url:
        assert _notes(upstreams.check_electrs, url) == []
    assert _notes(upstreams.check_electrs, "") == []


@pytest.mark.parametrize("ending", ["", "/", "/api", "/api/v1", "/api/v1/"])
def test_a_mempool_is_found_whatever_part_of_its_prefix_was_written(ending: str) -> None:
    with _http({"/api/v1/prices": json.dumps({"time": 0, "USD": -1})}) as url:
        assert _notes(upstreams.check_mempool, url + ending) == []


def test_a_mempool_that_is_away_or_something_else_is_worth_a_note() -> None:
    assert "mempool does not answer" in _notes(upstreams.check_mempool, f"http://127.0.0.1:{free_port()}")[0]
    with _http({"/": "hello"}) as url:
        assert "is no mempool backend" in _notes(upstreams.check_mempool, url)[0]


@contextmanager
def _lines(answer: bytes) -> Iterator[int]:
    """Serve `answer` to each line, as a server does that knows no HTTP, and close."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    stream, _ = server.accept()
                except OSError:
                    return
                with stream, stream.makefile("rb") as lines:
                    lines.readline()
                    stream.sendall(answer)
                    # The rest of a request is read, lest the answer be lost to a reset.
                    stream.shutdown(socket.SHUT_WR)
                    lines.read()

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@contextmanager
def _http(pages: dict[str, str]) -> Iterator[str]:
    """Serve `pages` over HTTP, and 404 for all else."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = pages.get(self.path)
            self.send_response(404 if text is None else 200)
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


# The host


def test_only_tested_systems_pass_without_a_word() -> None:
    debian = {"ID": "debian", "VERSION_ID": "13", "PRETTY_NAME": "Debian GNU/Linux 13 (trixie)"}
    assert _notes(host.check_system, debian, (3, 13)) == []
    ubuntu = {"ID": "ubuntu", "VERSION_ID": "24.04", "PRETTY_NAME": "Ubuntu 24.04 LTS"}
    assert "not tested" in _notes(host.check_system, ubuntu, (3, 12))[0]
    system, python = _problems(host.check_system, {"ID": "debian", "VERSION_ID": "11"}, (3, 9))
    assert "use Debian 12 or 13" in system
    assert "needs 3.11 or newer" in python
    assert _problems(host.check_system, {}, (3, 13)) == [
        "this host runs unknown ; use Debian 12 or 13, or Ubuntu 24.04 at your own risk"
    ]


def test_too_little_disk_is_told_once_for_each_file_system(tmp_path: Path) -> None:
    paths = [str(tmp_path / "not/there/yet"), str(tmp_path)]
    assert _problems(host.check_disk, paths, 1) == []
    (problem,) = _problems(host.check_disk, paths, 1 << 40)
    assert "make room, or lower preflight_disk_min_mb" in problem


def test_a_port_that_somebody_holds_is_told_with_the_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        wanted = {"name": "settings_api_port", "host": "127.0.0.1", "port": port}
        (problem,) = _problems(host.check_ports, [wanted], "utxoracle", "utxoracle")
        assert problem.startswith(f"port {port} on 127.0.0.1 is taken by ")
        assert problem.endswith("set settings_api_port to a free port")
        assert _problems(host.check_ports, [{**wanted, "host": "127.0.0.2"}], "utxoracle", "utxoracle") == []
        (wide,) = _problems(host.check_ports, [{**wanted, "host": "0.0.0.0"}], "utxoracle", "utxoracle")  # noqa: S104 - compared
        assert wide == problem


def test_a_port_that_our_own_user_holds_is_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wanted = {"name": "settings_api_port", "host": "127.0.0.1", "port": server.getsockname()[1]}
        myself = pwd.getpwuid(os.getuid()).pw_name
        assert _problems(host.check_ports, [wanted], "utxoracle", myself) == []


def test_a_port_on_every_address_of_both_families_is_seen() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        wanted = {"name": "proxy_port", "host": "0.0.0.0", "port": server.getsockname()[1]}  # noqa: S104 - compared
        assert len(_problems(host.check_ports, [wanted], "utxoracle", "utxoracle")) == 1


def test_our_own_services_may_hold_our_ports(tmp_path: Path) -> None:
    assert host.is_ours("utxoracle-api.service", 8001, "utxoracle")
    assert not host.is_ours("somebody.service", 8001, "utxoracle")
    site = tmp_path / "utxoracle.conf"
    assert not host.is_ours("nginx.service", 8443, "utxoracle", tmp_path)
    site.write_text("server {\n  listen 0.0.0.0:8443 ssl;\n}\n", encoding="utf-8")
    assert host.is_ours("nginx.service", 8443, "utxoracle", tmp_path)
    assert not host.is_ours("nginx.service", 443, "utxoracle", tmp_path)

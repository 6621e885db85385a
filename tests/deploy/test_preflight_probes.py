"""What preflight finds out about hosts and nodes, against the real thing wherever there is one."""

from __future__ import annotations

import ast
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
import yaml

from tests.deploy.configured_bitcoind import configured_bitcoind
from tests.deploy.program import ROLES, program
from tests.fakes.http_serving import serving
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
        "node_conf": "/nonexistent/bitcoin.conf",
        "node_rpc_user": "utxoracle",
        "node_rpc_password_file": "/nonexistent/password",
        "network": "regtest",
        "calls": [],
        "zmq": {"pubrawtx": "tcp://127.0.0.1:1", "pubsequence": "tcp://127.0.0.1:2"},
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
        (downloading,) = _problems(bitcoind.check_bitcoind, _asked(node.url, **AS_ME, zmq={}))
        assert "initial block download" in downloading
        _mine(node)
        (silent,) = _problems(bitcoind.check_bitcoind, _asked(node.url, **AS_ME))
        assert "no pubrawtx and no pubsequence over ZMQ; set node_enabled: true" in silent
        assert "add zmqpubrawtx=tcp://127.0.0.1:1 and zmqpubsequence=tcp://127.0.0.1:2 to bitcoin.conf" in silent
        (one,) = _problems(bitcoind.check_bitcoind, _asked(node.url, **AS_ME, zmq={"pubrawtx": "tcp://127.0.0.1:1"}))
        assert "pubsequence" not in one
        assert one.endswith("or set settings_zmq_rawtx_url to off")
        (network,) = _problems(
            bitcoind.check_bitcoind,
            _asked(node.url, **AS_ME, zmq={}, network="main"),
        )
        assert network == "bitcoind is on regtest and settings_bitcoin_network says main; correct one of them"
        (nobody,) = _problems(bitcoind.check_bitcoind, _asked(node.url))
        assert "wants credentials and there are none" in nobody
        (wrong,) = _problems(bitcoind.check_bitcoind, _asked(node.url, rpc_user="me", rpc_password="wrong"))  # noqa: S106 - nobody's
        assert "refuses our credentials" in wrong
        (cookieless,) = _problems(bitcoind.check_bitcoind, _asked(node.url, rpc_cookie_file=str(tmp_path / "gone")))
        assert "gone cannot be read" in cookieless


def test_a_user_of_the_operators_who_may_not_make_a_call_of_ours_is_told_which(tmp_path: Path) -> None:
    calls = yaml.safe_load((ROLES / "node/vars/main.yml").read_text(encoding="utf-8"))["__node_rpc_calls"]
    allowed = [call for call in calls if call not in {"getmempoolentry", "gettxout"}]
    conf = f"{ME}\nrpcwhitelist=me:{','.join(allowed)}\nrpcwhitelistdefault=0"
    with configured_bitcoind(tmp_path, conf) as node:
        _mine(node)
        asked = _asked(node.url, **AS_ME, zmq={}, calls=calls)
        (problem,) = _problems(bitcoind.check_bitcoind, asked)
        assert "forbids getmempoolentry, gettxout; add them to the rpcwhitelist of that user" in problem
        assert _notes(bitcoind.check_bitcoind, asked | {"calls": allowed}) == []


def test_what_is_asked_to_learn_what_is_allowed_does_nothing(tmp_path: Path) -> None:
    calls = yaml.safe_load((ROLES / "node/vars/main.yml").read_text(encoding="utf-8"))["__node_rpc_calls"]
    with configured_bitcoind(tmp_path, ME) as node:
        for call in calls:
            with pytest.raises(bitcoind.RpcError) as refused:
                bitcoind.rpc(node.url, "me:ß", call, bitcoind.SENSELESS)
            assert refused.value.status != bitcoind.FORBIDDEN, call


def test_a_cookie_that_only_root_can_read_is_told_with_the_group_that_would_help(tmp_path: Path) -> None:
    with configured_bitcoind(tmp_path, "") as node:
        _mine(node)
        cookie = str(node.cookie)
        problems = _problems(bitcoind.check_bitcoind, _asked(node.url, rpc_cookie_file=cookie, zmq={}))
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
        (downloading,) = _problems(bitcoind.check_bitcoind, asked)
        assert "initial block download" in downloading, "a cookie lets it be asked before anything is changed"
        _mine(node)
        assert "the node role sees to it" in _notes(bitcoind.check_bitcoind, asked)[0]


def test_the_cookie_of_a_running_bitcoind_is_found(tmp_path: Path) -> None:
    with configured_bitcoind(tmp_path, "") as node:
        assert node.cookie in list(bitcoind.running_cookies())


def test_a_cookie_is_found_by_the_data_directory_of_bitcoin_conf(tmp_path: Path) -> None:
    cookie = tmp_path / "data" / "regtest" / ".cookie"
    cookie.parent.mkdir(parents=True)
    cookie.touch()
    conf = tmp_path / "bitcoin.conf"
    conf.write_text(f"server=1\n datadir = {tmp_path / 'data'} # why\n", encoding="utf-8")
    assert list(bitcoind.configured_cookies(str(conf))) == [cookie]
    assert list(bitcoind.configured_cookies(str(tmp_path / "gone"))) == []


def test_a_directory_that_nobody_may_enter_is_told_with_the_chmod_that_helps() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        cookie = Path(directory) / ".cookie"
        cookie.touch(0o644)
        (problem,) = _problems(bitcoind.check_cookie, _asked("", rpc_cookie_file=str(cookie)))
    assert f"because of the mode of {directory}; chmod g+x {directory}" in problem


def test_a_bitcoind_that_stops_answering_in_between_is_told() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    (problem,) = _problems(bitcoind.check_zmq, url, "me:me", {"pubrawtx": "tcp://127.0.0.1:1"})
    assert "stopped answering while it was asked" in problem


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

    with serving(HTTPServer(("127.0.0.1", 0), Pages)) as url:
        yield url


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


def test_an_old_host_is_told_so_before_anything_that_it_may_not_know_is_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host, "os_release", lambda: {"ID": "debian", "VERSION_ID": "10"})
    host.main("{}")
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert "use Debian 12 or 13" in problem


@pytest.mark.parametrize("name", ["host", "bitcoind", "upstreams"])
def test_a_probe_runs_on_the_python_that_it_promises(name: str) -> None:
    source = (ROLES / f"preflight/files/{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 8))
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    # Of Path 3.9 to 3.12, of str 3.9; os.readlink is as old as the hills.
    newer = {"is_relative_to", "with_stem", "hardlink_to", "walk", "removeprefix", "removesuffix", "pairwise", "cache"}
    assert not attributes & newer
    assert "readlink" not in attributes or ".readlink(" not in source.replace("os.readlink(", "")
    assert not any(isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) for node in _evaluated(tree))


def _evaluated(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what Python evaluates: all but annotations, which may have `X | Y` and `list[X]` in any version."""
    for name, value in ast.iter_fields(tree):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name not in {"annotation", "returns"}:
                yield child
                yield from _evaluated(child)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "key.pem").touch()
    files = {"proxy_key_file": str(tmp_path / "key.pem"), "proxy_certificate_file": str(tmp_path / "gone.pem")}
    (problem,) = _problems(host.check_files, files)
    assert problem.startswith(f"proxy_certificate_file names {tmp_path}/gone.pem, which is no file")


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
        (by_name,) = _problems(host.check_ports, [{**wanted, "host": "localhost"}], "utxoracle", "utxoracle")
        assert by_name == problem


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

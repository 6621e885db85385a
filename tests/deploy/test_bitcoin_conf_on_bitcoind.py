"""What the role node writes, as a real bitcoind understands it."""

from __future__ import annotations

import socket
import urllib.request
from typing import TYPE_CHECKING

import yaml

from tests.deploy.configured_bitcoind import Node, configured_bitcoind
from tests.deploy.program import ROLES, program
from tests.node.bitcoind import free_port

if TYPE_CHECKING:
    from pathlib import Path

conf = program("node/files/bitcoin_conf.py")
CALLS = tuple(yaml.safe_load((ROLES / "node/vars/main.yml").read_text(encoding="utf-8"))["__node_rpc_calls"])


def _options() -> dict[str, str]:
    publishers = {name: f"tcp://127.0.0.1:{free_port()}" for name in ("zmqpubrawtx", "zmqpubsequence")}
    return {"rest": "1", **publishers, "zmqpubrawtxhwm": "100000", "zmqpubsequencehwm": "100000"}


def test_all_of_the_block_applies_although_it_stands_above_the_section(tmp_path: Path) -> None:
    options = _options()
    planned = conf.plan("", conf.Wanted("regtest", options, "utxoracle", "", CALLS))
    with configured_bitcoind(tmp_path, planned.text) as node:
        ours = f"utxoracle:{planned.password}"
        assert node.status(ours, "getblockchaininfo") == 200
        assert [node.status(ours, forbidden) for forbidden in ("stop", "uptime", "getpeerinfo")] == [403, 403, 403]
        assert node.status(node.cookie.read_text(encoding="utf-8"), "uptime") == 200
        published = {each["type"]: each for each in node.call("getzmqnotifications")}
        assert published["pubrawtx"]["address"] == options["zmqpubrawtx"]
        assert published["pubsequence"]["hwm"] == 100_000
        with urllib.request.urlopen(f"{node.url}/rest/chaininfo.json", timeout=10) as answer:
            assert answer.status == 200
        publishers = conf.publishers_of(conf.options_of(planned.text, "regtest"))
        assert _lacking(node, ours, publishers, user="utxoracle") == ""
        assert "does not know the user" in _lacking(node, "utxoracle:another", publishers, user="utxoracle")


def test_transactions_and_their_sequence_are_published_at_one_address_each_with_its_high_water_mark(
    tmp_path: Path,
) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    options = {**_options(), "zmqpubrawtx": address, "zmqpubsequence": address}
    with configured_bitcoind(tmp_path, conf.plan("", conf.Wanted("regtest", options)).text) as node:
        published = {(each["type"], each["address"], each["hwm"]) for each in node.call("getzmqnotifications")}
    assert published == {("pubrawtx", address, 100_000), ("pubsequence", address, 100_000)}
    defaults = yaml.safe_load((ROLES / "node/defaults/main.yml").read_text(encoding="utf-8"))
    assert defaults["node_zmq_rawtx_url"] == defaults["node_zmq_sequence_url"]


def test_a_publisher_whose_port_is_taken_is_noticed(tmp_path: Path) -> None:
    options = _options()
    planned = conf.plan("", conf.Wanted("regtest", options, "utxoracle", "", CALLS))
    port = int(options["zmqpubrawtx"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)), configured_bitcoind(tmp_path, planned.text) as node:
        publishers = conf.publishers_of(conf.options_of(planned.text, "regtest"))
        told = _lacking(node, f"utxoracle:{planned.password}", publishers, user="utxoracle")
    assert f"the port of {options['zmqpubrawtx']}" in told
    assert "is taken" in told


def _lacking(node: Node, credentials: str, publishers: dict[str, list[str]], user: str = "") -> str:
    asked = {"conf": "bitcoin.conf", "unit": "bitcoind.service", "user": user}
    told: str = conf.lacking(conf.notifications(node.url, credentials), asked, publishers)
    return told


def test_a_file_that_was_not_read_yet_is_noticed_with_the_operators_credentials_too(tmp_path: Path) -> None:
    limited = f"rpcauth={conf.rpcauth('limited', 'password', '5a17')}\nrpcwhitelist=limited:getblock"
    with configured_bitcoind(tmp_path, f"{limited}\nrpcwhitelistdefault=0") as node:
        cookie = {"rpc_user": "", "rpc_password": "", "rpc_cookie_file": str(node.cookie)}
        publishers = {"pubrawtx": ["tcp://127.0.0.1:1"]}
        assert "publishes no pubrawtx" in _lacking(node, conf.credentials_of(cookie), publishers)
        user = {"rpc_user": "limited", "rpc_password": "password", "rpc_cookie_file": ""}
        assert _lacking(node, conf.credentials_of(user), publishers) == "", "what may not be asked is unknown"
    with configured_bitcoind(tmp_path, conf.plan("", conf.Wanted("regtest", _options())).text) as node:
        assert _lacking(node, conf.credentials_of(cookie), publishers) == ""


def test_the_calls_are_all_known_to_bitcoind(tmp_path: Path) -> None:
    with configured_bitcoind(tmp_path, "") as node:
        for call in CALLS:
            assert node.call("help", call).startswith(call)

"""What the role node writes, as a real bitcoind understands it."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

import yaml

from tests.deploy.configured_bitcoind import configured_bitcoind
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
        assert conf.is_in_force(node.url, ours, is_ours=True)
        assert not conf.is_in_force(node.url, "utxoracle:another password", is_ours=True)


def test_a_file_that_was_not_read_yet_is_noticed_with_the_operators_credentials_too(tmp_path: Path) -> None:
    limited = f"rpcauth={conf.rpcauth('limited', 'password', '5a17')}\nrpcwhitelist=limited:getblock"
    with configured_bitcoind(tmp_path, f"{limited}\nrpcwhitelistdefault=0") as node:
        cookie = {"rpc_user": "", "rpc_password": "", "rpc_cookie_file": str(node.cookie)}
        assert not conf.is_in_force(node.url, conf.credentials_of(cookie), is_ours=False)
        user = {"rpc_user": "limited", "rpc_password": "password", "rpc_cookie_file": ""}
        assert conf.is_in_force(node.url, conf.credentials_of(user), is_ours=False), "what may not be asked is unknown"
    with configured_bitcoind(tmp_path, conf.plan("", conf.Wanted("regtest", _options())).text) as node:
        assert conf.is_in_force(node.url, conf.credentials_of(cookie), is_ours=False)


def test_the_calls_are_all_known_to_bitcoind(tmp_path: Path) -> None:
    with configured_bitcoind(tmp_path, "") as node:
        for call in CALLS:
            assert node.call("help", call).startswith(call)

"""The adapter against a real bitcoind on regtest."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.bitcoind import block_source, rpc_client
from app.adapters.bitcoind_http import BitcoindHttp
from app.adapters.bitcoind_rest import RestBlockSource
from app.adapters.bitcoind_rpc import RpcMethodError
from app.adapters.bitcoind_rpc_blocks import CALLS, RpcBlockSource
from app.domain.blocks.block import read_block
from app.domain.price.not_enough_data import NotEnoughDataError
from app.services.block_source import (
    BlockPrunedError,
    BlockSource,
    BlockUnknownError,
    FallbackBlockSource,
    NodeForbiddenError,
    NodeStatus,
    NodeUnauthorisedError,
    NodeUnreachableError,
    RestDisabledError,
)
from app.services.onchain_price import StillSyncingError, WrongNetworkError, estimate_recent
from tests.node.bitcoind import Bitcoind, regtest_bitcoind

WRONG = "not the password"
USER, PASSWORD = "appliance", "pässword: with \"quotes\" and '#'"
NOT_SO_MANY = "restricted"


def rpcauth(user: str) -> str:
    return f"{user}:ab12${hmac.new(b'ab12', PASSWORD.encode(), hashlib.sha256).hexdigest()}"


WHITELISTED = (
    f"-rpcauth={rpcauth(USER)}",
    f"-rpcauth={rpcauth(NOT_SO_MANY)}",
    f"-rpcwhitelist={USER}:{','.join(CALLS)}",
    f"-rpcwhitelist={NOT_SO_MANY}:getblockcount",
    "-rpcwhitelistdefault=0",
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitcoind]:
    with regtest_bitcoind(tmp_path_factory.mktemp("rest"), extra=WHITELISTED) as started:
        started.mine(160)
        yield started


@pytest.fixture(scope="module")
def node_without_rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitcoind]:
    with regtest_bitcoind(tmp_path_factory.mktemp("no-rest"), rest=False, extra=WHITELISTED) as started:
        yield started


def by_rest(node: Bitcoind) -> RestBlockSource:
    return RestBlockSource(BitcoindHttp(node.rpc_url))


def by_rpc(node: Bitcoind) -> RpcBlockSource:
    return RpcBlockSource(rpc_client(node.rpc_url, user=USER, password=PASSWORD))


@pytest.fixture(params=[by_rest, by_rpc])
def source(request: pytest.FixtureRequest, node: Bitcoind) -> BlockSource:
    chosen: BlockSource = request.param(node)
    return chosen


def test_the_node_says_what_it_is(source: BlockSource) -> None:
    assert source.status() == NodeStatus(network="regtest", tip_height=160, initial_block_download=False)


def test_a_block_is_the_one_of_its_height(node: Bitcoind, source: BlockSource) -> None:
    block_hash = source.block_hash(77)
    assert block_hash == node.call("getblockhash", 77)
    block = read_block(source.raw_block(block_hash))
    assert block.header.hash == block_hash
    assert block.header.previous_hash == source.block_hash(76)


def test_headers_come_in_order_and_end_at_the_tip(node: Bitcoind, source: BlockSource) -> None:
    headers = source.headers(150, 11)
    assert [header.hex() for header in headers] == [
        node.call("getblockheader", node.call("getblockhash", height), False)  # noqa: FBT003 - bitcoind's own parameter
        for height in range(150, 161)
    ]


def test_a_block_that_does_not_exist_is_unknown(source: BlockSource) -> None:
    with pytest.raises(BlockUnknownError, match="out of range"):
        source.block_hash(161)
    with pytest.raises(BlockUnknownError):
        source.headers(161, 3)
    with pytest.raises(BlockUnknownError, match="not found"):
        source.raw_block("11" * 32)


def test_the_calls_that_are_made_are_those_of_the_whitelist(node: Bitcoind) -> None:
    # The user of this source may make no other; blocks without payments are read to the end all the same.
    with pytest.raises(NotEnoughDataError, match="no payment between"):
        estimate_recent(FallbackBlockSource(by_rpc(node)), "regtest")
    assert len(by_rpc(node).headers(3, 2)) == 2


def test_with_rest_no_password_is_needed(node: Bitcoind) -> None:
    with pytest.raises(NotEnoughDataError, match="no payment between"):
        estimate_recent(block_source(node.rpc_url), "regtest")


def test_another_network_is_refused(node: Bitcoind) -> None:
    with pytest.raises(WrongNetworkError, match="the node is on regtest and BITCOIN_NETWORK says main"):
        estimate_recent(block_source(node.rpc_url), "main")


def test_a_node_whose_newest_block_is_old_is_refused(node_without_rest: Bitcoind) -> None:
    with pytest.raises(StillSyncingError, match="at block 0"):
        estimate_recent(block_source(node_without_rest.rpc_url, node_without_rest.cookie), "regtest")


def test_without_rest_json_rpc_serves(node_without_rest: Bitcoind) -> None:
    with pytest.raises(RestDisabledError, match=r"rest=1 in its bitcoin\.conf"):
        by_rest(node_without_rest).status()
    source = block_source(node_without_rest.rpc_url, node_without_rest.cookie)
    assert source.status().network == "regtest"
    assert source.name == "bitcoind-rpc"
    assert read_block(source.raw_block(source.block_hash(0))).header.time == 1_296_688_602


def test_a_wrong_password_is_said_without_saying_it(node: Bitcoind) -> None:
    client = rpc_client(node.rpc_url, user=USER, password=WRONG)
    with pytest.raises(NodeUnauthorisedError, match="compare BITCOIN_RPC_USER and BITCOIN_RPC_PASSWORD") as failure:
        client.call("getblockchaininfo")
    assert WRONG not in str(failure.value)
    assert WRONG not in repr(vars(client))


def test_without_credentials_their_settings_are_named(node: Bitcoind) -> None:
    with pytest.raises(NodeUnauthorisedError, match="set BITCOIN_RPC_COOKIE_FILE, or BITCOIN_RPC_USER"):
        rpc_client(node.rpc_url).call("getblockchaininfo")


def test_a_password_in_the_address_is_used_and_not_shown(node: Bitcoind) -> None:
    url = node.rpc_url.replace("//", "//appliance:oh%20so%20secret@")
    with pytest.raises(NodeUnauthorisedError) as failure:
        rpc_client(url).call("getblockchaininfo")
    assert "secret" not in str(failure.value)
    user, password = node.cookie.read_text().split(":")
    assert rpc_client(node.rpc_url.replace("//", f"//{user}:{password}@")).call("getblockcount") == 160


def test_a_cookie_file_that_is_missing_says_so(node: Bitcoind, tmp_path: Path) -> None:
    with pytest.raises(NodeUnauthorisedError, match=r"\.cookie cannot be read \(No such file or directory\)"):
        rpc_client(node.rpc_url, tmp_path / ".cookie").call("getblockchaininfo")


def test_a_call_outside_the_whitelist_is_forbidden(node: Bitcoind) -> None:
    client = rpc_client(node.rpc_url, user=NOT_SO_MANY, password=PASSWORD)
    assert client.call("getblockcount") == 160
    with pytest.raises(NodeForbiddenError, match="forbids getblockhash; add it to rpcwhitelist"):
        client.call("getblockhash", 1)
    with pytest.raises(NodeForbiddenError, match="forbids getblockhash; add it to rpcwhitelist"):
        client.batch("getblockhash", [[1], [2]])


def test_a_refusal_has_the_nodes_own_words(node: Bitcoind) -> None:
    client = rpc_client(node.rpc_url, node.cookie)
    with pytest.raises(RpcMethodError, match=r"refused no_such_call: Method not found \(-32601\)") as failure:
        client.call("no_such_call")
    assert failure.value.number == -32601


def test_a_batch_is_answered_in_order(node: Bitcoind) -> None:
    client = rpc_client(node.rpc_url, node.cookie)
    heights = [5, 160, 0, 77]
    assert client.batch("getblockhash", [[height] for height in heights]) == [
        node.call("getblockhash", height) for height in heights
    ]


def test_a_new_cookie_is_read_after_a_restart_and_a_stopped_node_is_unreachable(tmp_path: Path) -> None:
    with regtest_bitcoind(tmp_path) as started:
        client = rpc_client(started.rpc_url, started.cookie)
        assert client.call("getblockcount") == 0
        before = started.cookie.read_text()
        started.restart()
        assert started.cookie.read_text() != before
        assert client.call("getblockcount") == 0
        started.stop()
        with pytest.raises(NodeUnreachableError, match="cannot be reached; is it running"):
            client.call("getblockcount")
        with pytest.raises(NodeUnreachableError, match="cannot be reached; is it running"):
            block_source(started.rpc_url, user=USER, password=PASSWORD).status()


def test_a_pruned_block_is_neither_unknown_nor_a_failure_of_the_source(tmp_path: Path) -> None:
    with regtest_bitcoind(tmp_path, extra=("-txindex=0", "-prune=1", "-fastprune")) as pruned:
        pruned.mine(800)
        pruned.call("pruneblockchain", 400)
        for source in (by_rest(pruned), RpcBlockSource(rpc_client(pruned.rpc_url, pruned.cookie))):
            with pytest.raises(BlockPrunedError, match="raise prune="):
                source.raw_block(source.block_hash(2))
            assert read_block(source.raw_block(source.block_hash(799)))

"""A throwaway bitcoind on regtest, for tests: `with regtest_bitcoind(tmp_path) as node: …`."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.node.programs.bitcoind_rpc import BitcoindRpc, RpcError, UnreachableError

CHECKOUT = Path(__file__).resolve().parents[2]
_START_SECONDS = 60
_STOP_SECONDS = 60
_POLL_SECONDS = 0.05

# What a lively chain needs, and what bitcoind's defaults for people would prevent. In a file and not on the command
# line, since Bitcoin Core warns about an option of Knots in a file and refuses to start for one in the command.
LIVELY = (
    "fallbackfee=0.0002",
    "checkmempool=0",
    "checkblockindex=0",
    "checkaddrman=0",
    "minrelaytxfee=0.000001",
    "incrementalrelayfee=0.000001",
    "blockmintxfee=0.000001",
    "blockprioritysize=0",
    "blockmaxsize=4000000",
    "rpcworkqueue=256",
)
# Nothing leaves the machine: no peers are looked for and none are let in.
_ALONE = ("listen=0", "dnsseed=0", "natpmp=0", "fixedseeds=0")


class Bitcoind:
    """A bitcoind on regtest in a directory of its own.

    Attributes:
        rpc_url: `http://127.0.0.1:<port>`, for JSON-RPC and, with `rest`, for REST.
        rpc_port: That port.
        cookie: The file with user and password; bitcoind writes a new one at each start.
        zmq_rawtx: Address of the `rawtx` topic; empty without ZMQ.
        zmq_sequence: Address of the `sequence` topic; empty without ZMQ.
        rpc: The connection of the tests themselves.
    """

    def __init__(
        self, directory: Path, *, rest: bool = True, zmq: bool = False, rpcauth: str = "", extra: Sequence[str] = ()
    ) -> None:
        self.directory = directory
        self.rpc_port = free_port()
        self.rpc_url = f"http://127.0.0.1:{self.rpc_port}"
        self.cookie = directory / "regtest" / ".cookie"
        self.zmq_rawtx = f"tcp://127.0.0.1:{free_port()}" if zmq else ""
        self.zmq_sequence = f"tcp://127.0.0.1:{free_port()}" if zmq else ""
        self.rpc = BitcoindRpc(self.rpc_port, self.cookie)
        self._rest = rest
        self._rpcauth = rpcauth
        self._extra = tuple(extra)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until calls are answered."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "bitcoin.conf").write_text("\n".join(self._settings()) + "\n", encoding="utf-8")
        # The process outlives this call; `stop` and `kill` end it.
        self._process = subprocess.Popen(
            [bitcoind_program(), f"-datadir={self.directory}", "-printtoconsole=0", *self._extra],
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = self.directory / "regtest" / "debug.log"
                tail = log.read_text(errors="replace")[-2000:] if log.exists() else "no log was written"
                self.kill()
                raise RuntimeError(f"bitcoind did not start; its log ends with:\n{tail}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End in an orderly way: the mempool is saved."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(_STOP_SECONDS)
        self.rpc.close()

    def kill(self) -> None:
        """End like a power cut."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(_STOP_SECONDS)
        self.rpc.close()

    def restart(self) -> None:
        """Stop and start again, on the same ports and the same chain."""
        self.stop()
        self.start()

    def call(self, method: str, *params: object) -> Any:
        """Return the result of an RPC call."""
        return self.rpc.call(method, *params)

    def mine(self, blocks: int = 1) -> list[str]:
        """Mine blocks to nobody's script; return their hashes."""
        hashes: list[str] = self.call("generatetodescriptor", blocks, "raw(51)")
        return hashes

    def _answers(self) -> bool:
        try:
            self.rpc.call("getblockcount")
        except (UnreachableError, RpcError):
            return False
        return True

    def _settings(self) -> Iterator[str]:
        yield from ("regtest=1", "server=1", "txindex=1", f"rest={int(self._rest)}", *LIVELY, *_ALONE)
        if self._rpcauth:
            yield f"rpcauth={self._rpcauth}"
        if self.zmq_rawtx:
            yield from (f"zmqpubrawtx={self.zmq_rawtx}", "zmqpubrawtxhwm=100000")
            yield from (f"zmqpubsequence={self.zmq_sequence}", "zmqpubsequencehwm=100000")
        yield from ("[regtest]", f"rpcport={self.rpc_port}", f"port={free_port()}")


@contextlib.contextmanager
def regtest_bitcoind(
    directory: Path, *, rest: bool = True, zmq: bool = False, rpcauth: str = "", extra: Sequence[str] = ()
) -> Iterator[Bitcoind]:
    """Start a bitcoind with an empty chain in `directory`, and end it afterwards.

    Args:
        directory: Becomes its data directory; made when missing.
        rest: Serve REST too.
        zmq: Publish `rawtx` and `sequence`.
        rpcauth: A further RPC user, in the form of bitcoin.conf: `user:salt$hash`.
        extra: Further arguments, each with its leading dash.
    """
    node = Bitcoind(directory, rest=rest, zmq=zmq, rpcauth=rpcauth, extra=extra)
    try:
        node.start()
        yield node
    finally:
        node.kill()


def bitcoind_program() -> str:
    """Return the path of a bitcoind: that of BITCOIND, of PATH, or one fetched into the checkout."""
    named = os.environ.get("BITCOIND") or shutil.which("bitcoind")
    if named:
        return named
    fetch = CHECKOUT / "tests" / "node" / "fetch_bitcoind.py"
    subprocess.run([sys.executable, str(fetch)], check=True, stdout=subprocess.DEVNULL)
    return str(CHECKOUT / ".make" / "bitcoind" / "bin" / "bitcoind")


def free_port() -> int:
    """Return a TCP port on loopback that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port

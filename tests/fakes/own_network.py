"""One run of the integration in a network of its own, and where its packets wanted to go.

    unshare --net python -m tests.fakes.own_network '{"bitcoind": true, "others": true, "environ": {…}}'

Prints one JSON object: exit code and log of the run, `beyond` (what was sent elsewhere than to loopback, or to a name
server wherever it is), and `lost` (packets that were not looked at). The network has nothing but loopback, and sends
everything else there, too: what would leave a host comes by, and gets lost. IPv6 cannot be led there; but whoever wants
to leave by it asks a name server first.
"""

from __future__ import annotations

import ctypes
import fcntl
import ipaddress
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from contextlib import ExitStack
from typing import Any

from tests.fakes.bitcoin_node import running
from tests.fakes.esplora_node import esplora
from tests.fakes.published import COMMITTED, chain

# Linux's numbers, of which Python has no names.
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
RTM_NEWROUTE, NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE = 24, 1, 4, 0x400
RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_UNIVERSE, RTN_UNICAST, RTA_OIF = 254, 3, 0, 1, 4
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, SOL_PACKET, PACKET_STATISTICS = 3, 0x0800, 0x86DD, 263, 6
DNS_PORT = 53
SO_ATTACH_FILTER, LOAD_HALF, LOAD_BYTE, JUMP_EQUAL, RETURN = 26, 0x28, 0x30, 0x15, 0x06
# For the kernel, since the blocks that upstreams serve would be too many packets to look at: what to do, how far to
# jump if so and if not, with which number. It drops IPv4 (12: kind) with TCP (23) to 127.* (30).
ALL_BUT_TCP_ON_LOOPBACK = (
    (LOAD_HALF, 0, 0, 12),
    (JUMP_EQUAL, 0, 4, ETH_P_IP),
    (LOAD_BYTE, 0, 0, 23),
    (JUMP_EQUAL, 0, 2, socket.IPPROTO_TCP),
    (LOAD_BYTE, 0, 0, 30),
    (JUMP_EQUAL, 1, 0, 127),
    (RETURN, 0, 0, 0xFFFF),
    (RETURN, 0, 0, 0),
)
MARK = b"this is all"


def set_up() -> None:
    """Start loopback, and route everything to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    kind = (socket.AF_INET, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_UNIVERSE, RTN_UNICAST, 0)
    route = struct.pack("=BBBBBBBBI", *kind) + struct.pack("=HHI", 8, RTA_OIF, socket.if_nametoindex("lo"))
    head = struct.pack("=IHHII", 16 + len(route), RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.sendall(head + route)
        (error,) = struct.unpack_from("=i", netlink.recv(4096), 16)
    if error:
        raise OSError(-error, os.strerror(-error))


class Capture:
    """Notes where packets go, from the first to `end`."""

    def __init__(self) -> None:
        self.beyond: set[str] = set()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        program = b"".join(struct.pack("=HBBI", *each) for each in ALL_BUT_TCP_ON_LOOPBACK)
        instructions = ctypes.create_string_buffer(program)
        wanted = struct.pack("HL", len(ALL_BUT_TCP_ON_LOOPBACK), ctypes.addressof(instructions))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, wanted)
        self._socket.bind(("lo", ETH_P_ALL))
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> int:
        """Wait until all is looked at that was sent before; return how many packets got lost."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(MARK, ("127.0.0.1", 9))
        self._thread.join(timeout=30)
        assert not self._thread.is_alive(), "the last packet did not come by"
        _, lost = struct.unpack("=II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        return int(lost)

    def _watch(self) -> None:
        while not (frame := self._socket.recv(200)).endswith(MARK):
            kind, packet = int.from_bytes(frame[12:14], "big"), frame[14:]
            if kind == ETH_P_IP:
                self._note(packet[16:20], packet[4 * (packet[0] & 15) :])
            elif kind == ETH_P_IPV6:
                self._note(packet[24:40], packet[40:])

    def _note(self, address: bytes, body: bytes) -> None:
        target, port = ipaddress.ip_address(address), int.from_bytes(body[2:4], "big")
        if not target.is_loopback or port == DNS_PORT:
            self.beyond.add(f"{target} port {port}")


def run(scenario: dict[str, Any]) -> dict[str, Any]:
    """Return what a run with the upstreams of `scenario` did."""
    set_up()
    capture, blocks = Capture(), chain(COMMITTED)
    environ = dict(scenario["environ"])
    with ExitStack() as upstreams:
        if scenario["bitcoind"]:
            environ["BITCOIN_RPC_URL"] = upstreams.enter_context(running(blocks)).url
        if scenario["others"]:
            environ["ELECTRS_API_URL"] = upstreams.enter_context(esplora(blocks)).url
            environ["MEMPOOL_API_URL"] = upstreams.enter_context(esplora(blocks, "/api/v1")).url
        done = subprocess.run(
            [sys.executable, "-m", "app.processes.integration"],
            env=environ,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    lost = capture.end()
    log = [json.loads(line) for line in done.stderr.splitlines()]
    return {"code": done.returncode, "log": log, "beyond": sorted(capture.beyond), "lost": lost}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(json.loads(sys.argv[1]))))

"""The peer of the detector: receives what bitcoind publishes, and does nothing with it.

Started as `python -m tests.bench.bare_receiver <address>`; pyzmq as its guide has it.
"""

from __future__ import annotations

import sys

import zmq


def main(address: str) -> None:
    socket: zmq.Socket[bytes] = zmq.Context().socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.connect(address)
    for topic in ("rawtx", "sequence"):
        socket.subscribe(topic)
    sys.stdout.write("connecting\n")
    sys.stdout.flush()
    while True:
        socket.recv_multipart()


if __name__ == "__main__":
    main(sys.argv[1])

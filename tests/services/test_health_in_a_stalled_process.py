"""Health of others is not judged by how long our own loop stood still."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

# The check has begun, and waits, when the loop stops for longer than any check may take.
PROGRAM = """
from gevent import monkey
monkey.patch_all()
import json, socket, sys, threading, time
from app.services.health import HealthMonitor, Pace

listener = socket.create_server(("127.0.0.1", 0))
begun = threading.Event()

def answer():
    while True:
        client, _ = listener.accept()
        client.recv(1)
        time.sleep(0.05)
        client.sendall(b"y")
        client.close()

def sleeps():
    begun.set()
    time.sleep(0.05)
    return "awake"

def asks():
    begun.set()
    with socket.create_connection(listener.getsockname(), timeout=0.8) as client:
        client.sendall(b"x")
        return client.recv(1).decode()

def hangs():
    begun.set()
    time.sleep(60)

def fails():
    begun.set()
    raise RuntimeError("gone")

threading.Thread(target=answer, daemon=True).start()
pace = Pace(first_seconds=5, timeout_seconds=0.9)
monitor = HealthMonitor({"websocket": globals()[sys.argv[1]]}, ["websocket"], pace)
monitor.start()
begun.wait()
time.sleep(0.01)
until = time.monotonic() + 2.5
while time.monotonic() < until:
    pass
report = monitor.report()
print(json.dumps([report.verdict, report.checks["websocket"].status]))
"""


@pytest.mark.parametrize(
    ("check", "verdict", "status"),
    [
        ("sleeps", "healthy", "ok"),
        ("asks", "healthy", "ok"),
        ("hangs", "unhealthy", "timeout"),
        ("fails", "unhealthy", "error"),
    ],
)
def test_a_loop_that_stood_still_makes_no_other_part_look_dead(check: str, verdict: str, status: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, check],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == [verdict, status]

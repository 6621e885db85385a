from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from tests.fakes.stream_service import CHECKOUT, free_port, until

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = """
from gevent import monkey
monkey.patch_all()
import os, sys, time
import gevent
from flask import Flask, request
from app.adapters.journal import configure_logging
from app.adapters.sd_notify import Systemd
from app.web.server import serve

configure_logging("INFO")
host, port, making = sys.argv[1:]

def make_app():
    exec(making)
    app = Flask("tried")
    app.get("/", endpoint="pid")(lambda: str(os.getpid()))
    app.get("/slow", endpoint="slow")(lambda: time.sleep(60) or "slow")
    app.get("/seen", endpoint="seen")(lambda: {"scheme": request.scheme, "address": request.remote_addr})
    app.get("/loses", endpoint="loses")(lambda: gevent.spawn(lambda: 1 / 0).join() or "lost")
    return app

serve(make_app, host=host, port=int(port), name="tried", supervisor=Systemd.take_over(os.environ),
      at_stop=lambda app: print("stopping", flush=True))
"""
PATIENCE_SECONDS = 20
# Two are meant; the machine of a test may be busy with others.
SOON_SECONDS = 5


class Served:
    def __init__(self, process: subprocess.Popen[str], port: int, systemd: socket.socket) -> None:
        self.process = process
        self.port = port
        self.systemd = systemd

    def get(self, path: str = "/") -> str:
        return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE_SECONDS).text

    def told(self) -> str:
        return self.systemd.recv(100).decode()

    def falls_silent(self, seconds: float = 2) -> bool:
        """Return whether no word comes for `seconds`, but for the few that were on their way."""
        self.systemd.settimeout(seconds)
        with suppress(TimeoutError):
            for _ in range(10):
                self.told()
            return False
        return True

    def get_no_answer(self, path: str) -> None:
        with pytest.raises(requests.RequestException):
            self.get(path)

    def end(self) -> tuple[int, str, str]:
        output, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, output, errors


@contextmanager
def serving(
    directory: Path, host: str = "127.0.0.1", making: str = "", port: int | None = None, **environ: str
) -> Iterator[Served]:
    port = port or free_port()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(directory / "notify"))
        systemd.settimeout(PATIENCE_SECONDS)
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, host, str(port), making],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(CHECKOUT),
                "NOTIFY_SOCKET": str(directory / "notify"),
                **environ,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Served(process, port, systemd)
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def test_the_service_is_ready_when_it_answers_and_not_before(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with serving(tmp_path, making=f"while not os.path.exists({str(gate)!r}): time.sleep(0.01)") as served:

        def port_is_open() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", served.port)) == 0

        until(port_is_open, "the port")
        served.systemd.settimeout(0.3)
        with pytest.raises(TimeoutError):
            served.told()
        gate.touch()
        served.systemd.settimeout(PATIENCE_SECONDS)
        assert served.told() == "READY=1"
        assert served.get().isdigit()


def test_the_watchdog_hears_of_a_worker_that_works_and_of_no_other(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        assert served.told() == "READY=1"
        began = time.monotonic()
        assert [served.told() for _ in range(3)] == ["WATCHDOG=1"] * 3
        assert time.monotonic() - began < 4
        worker = int(served.get())
        os.kill(worker, signal.SIGSTOP)
        assert served.falls_silent()
        os.kill(worker, signal.SIGCONT)


def test_it_stops_soon_after_sigterm_although_requests_are_open(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        assert served.told() == "READY=1"
        slow = threading.Thread(target=served.get_no_answer, args=["/slow"])
        slow.start()
        served.get()
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        code, output, _ = served.end()
        assert time.monotonic() - began < SOON_SECONDS
        slow.join()
        assert (code, output) == (0, "stopping\n")
        told = served.told()
        while told == "WATCHDOG=1":
            told = served.told()
        assert told == "STOPPING=1"


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        assert served.told() == "READY=1"
        killed = served.get()
        os.kill(int(killed), signal.SIGKILL)
        replacement = ""

        def is_replaced() -> bool:
            nonlocal replacement
            try:
                replacement = served.get()
            except requests.RequestException:
                return False
            return True

        until(is_replaced, "another worker")
        assert replacement != killed


@pytest.mark.parametrize("making", ["raise ValueError('boom')", "sys.exit(78)", "sys.exit(0)", "import nothing_known"])
def test_an_application_that_cannot_be_made_ends_the_service_with_1(tmp_path: Path, making: str) -> None:
    with serving(tmp_path, making=making) as served:
        assert served.end()[0] == 1


def test_a_port_that_is_taken_ends_the_service_with_1_and_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
        with serving(tmp_path, port=port) as served:
            code, _, errors = served.end()
    assert code == 1
    assert f"{port}" in errors


def test_messages_of_the_server_are_lines_of_json_like_our_own(tmp_path: Path) -> None:
    with serving(tmp_path, making="raise ValueError('boom')") as served:
        lines = [line for line in served.end()[2].splitlines() if line != "boom"]
    assert lines
    assert {json.loads(line)["logger"] for line in lines} == {"gunicorn.error"}


def test_an_ipv6_address_can_be_listened_on(tmp_path: Path) -> None:
    with serving(tmp_path, host="::1") as served:
        assert served.told() == "READY=1"
        assert requests.get(f"http://[::1]:{served.port}/", timeout=PATIENCE_SECONDS).ok


def test_a_worker_whose_master_was_killed_ends_too(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        assert served.told() == "READY=1"
        worker = served.get()
        served.process.kill()
        until(lambda: not Path(f"/proc/{worker}").exists(), "the worker to end")


@pytest.mark.parametrize("believed", ["*", "127.0.0.1", ""])
def test_a_client_cannot_make_the_server_believe_that_it_came_by_tls(tmp_path: Path, believed: str) -> None:
    with serving(tmp_path, FORWARDED_ALLOW_IPS=believed) as served:
        assert served.told() == "READY=1"
        for claims in (
            {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.1"},
            {"X-Forwarded-Ssl": "on"},
            {"X-Forwarded-Proto": "https", "X-Forwarded-Protocol": "http"},
        ):
            answer = requests.get(f"http://127.0.0.1:{served.port}/seen", headers=claims, timeout=PATIENCE_SECONDS)
            assert answer.json() == {"scheme": "http", "address": "127.0.0.1"}


def test_a_connection_is_not_closed_under_a_proxy_that_keeps_it(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        assert served.told() == "READY=1"
        proxy = HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE_SECONDS)
        proxy.request("GET", "/")
        assert proxy.getresponse().read().isdigit()
        kept = proxy.sock
        kept.settimeout(4)
        with pytest.raises(TimeoutError):
            kept.recv(1)
        kept.settimeout(PATIENCE_SECONDS)
        proxy.request("GET", "/")
        assert proxy.getresponse().read().isdigit()
        assert proxy.sock is kept
        proxy.close()


@pytest.mark.parametrize(
    ("question", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, "BAD_REQUEST"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "BAD_REQUEST"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "BAD_REQUEST"),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n", 414, "URI_TOO_LONG"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431, "HEADERS_TOO_LARGE"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", 417, "EXPECTATION_FAILED"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: other\r\n\r\n", 501, "NOT_IMPLEMENTED"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_what_the_server_itself_refuses_is_a_problem_too(
    tmp_path: Path, question: bytes, status: int, code: str
) -> None:
    with serving(tmp_path) as served:
        assert served.told() == "READY=1"
        with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_SECONDS) as client:
            client.sendall(question)
            head, body = client.makefile("rb").read().split(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"Content-Type: application/problem+json" in head
        problem = json.loads(body)
        assert (problem["status"], problem["code"]) == (status, code)
        assert f"X-Request-ID: {problem['request_id']}".encode() in head


def test_what_a_greenlet_does_not_catch_is_one_line_of_json(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        assert served.told() == "READY=1"
        assert served.get("/loses") == "lost"
        served.process.send_signal(signal.SIGTERM)
        lines = [json.loads(line) for line in served.end()[2].splitlines()]
    (lost,) = [line for line in lines if "traceback" in line]
    assert lost["level"] == "error"
    assert "ZeroDivisionError" in lost["traceback"]

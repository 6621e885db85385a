"""The API process, as systemd starts it, beside a real stream, a real bitcoind and a real database."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from app.adapters.own_stream import OwnStream
from tests.fakes.api_service import PASSWORD, ApiService, serving
from tests.fakes.stream_client import connected
from tests.fakes.stream_service import StreamService, running, until
from tests.node.bitcoind import Bitcoind, regtest_bitcoind


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitcoind]:
    with regtest_bitcoind(tmp_path_factory.mktemp("bitcoind")) as running_node:
        running_node.mine(3)
        yield running_node


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamService]:
    with running(StreamService(tmp_path_factory.mktemp("api"))) as service:
        yield service


@pytest.fixture(scope="module")
def api(stream: StreamService, node: Bitcoind) -> Iterator[ApiService]:
    service = ApiService(stream, BITCOIN_RPC_URL=node.rpc_url, BITCOIN_RPC_COOKIE_FILE=str(node.cookie))
    service.add_account("operator")
    with serving(service):
        yield service


@contextmanager
def swallowing() -> Iterator[int]:
    """Give a port that takes connections and says nothing, until connections are no longer answered either."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        yield listener.getsockname()[1]


def test_health_looks_at_the_real_parts(api: ApiService, stream: StreamService) -> None:
    token = stream.token()
    until(lambda: api.checks()["bitcoind"]["status"] == "ok", "bitcoind to be seen")
    checks = api.checks(token)
    statuses = {name: each["status"] for name, each in checks.items()}
    assert statuses == {
        **dict.fromkeys(["database", "schema", "bitcoind", "websocket", "integration", "data_freshness"], "ok"),
        **dict.fromkeys(["mempool_stream", "webhooks", "electrs"], "skipped"),
        **dict.fromkeys(["memory", "disk"], "ok"),
        "mempool_backend": "error",
    }
    assert checks["bitcoind"]["message"] == "regtest at height 3"
    assert api.get("/health").status_code == 200
    assert api.get("/health").json()["status"] == "degraded"


def test_a_real_sign_in_gets_a_ticket_that_the_real_stream_takes_once(api: ApiService, stream: StreamService) -> None:
    session = api.post("/api/auth/login", username="operator", password=PASSWORD).json()
    ticket = api.post("/api/auth/stream-ticket", session["access_token"]).json()["ticket"]
    with connected(stream) as client:
        client.send(type="auth", ticket=ticket)
        assert client.receive()["type"] == "welcome"
        client.send(type="subscribe")
        client.receive()
        assert client.is_quiet()
        assert api.post("/api/auth/logout", session["access_token"]).status_code == 200
        assert client.close_code() == 4401
    with connected(stream) as client:
        client.send(type="auth", ticket=ticket)
        assert client.close_code() == 4401
    with connected(stream) as client:
        client.send(type="auth", token=session["access_token"])
        assert client.close_code() == 4401


def test_a_stream_that_is_gone_is_unhealthy_within_seconds(api: ApiService, stream: StreamService) -> None:
    stream.stop()
    try:
        until(lambda: api.get("/health").status_code == 503, "the stream to be missed")
        assert api.checks()["websocket"]["status"] == "error"
        assert api.get("/health/ready").status_code == 200
    finally:
        stream.start()
    until(lambda: api.get("/health").status_code == 200, "the stream to be seen again")


def test_however_few_requests_are_allowed_health_can_look_at_the_stream(tmp_path: Path) -> None:
    with running(StreamService(tmp_path, environ={"RATE_LIMIT_PER_MINUTE": "1"})) as strict:
        for _ in range(14):
            OwnStream("127.0.0.1", strict.port).handshake()


def test_health_answers_within_a_second_though_every_upstream_swallows_packets(
    stream: StreamService,
) -> None:
    with ExitStack() as stack:
        urls = [f"http://127.0.0.1:{stack.enter_context(swallowing())}" for _ in range(3)]
        port = stack.enter_context(swallowing())
        service = ApiService(
            stream,
            BITCOIN_RPC_URL=urls[0],
            ELECTRS_API_URL=urls[1],
            MEMPOOL_API_URL=urls[2],
            WEBSOCKET_PORT=str(port),
            BITCOIN_RPC_USER="u",
            BITCOIN_RPC_PASSWORD="p",  # noqa: S106 - of nothing
        )
        stack.enter_context(serving(service))
        service.get("/health/live")
        deadline = time.monotonic() + 12
        seen: set[str] = set()
        while time.monotonic() < deadline and not {"error", "timeout"} & seen:
            began = time.monotonic()
            answer = service.get("/health")
            assert time.monotonic() - began < 1
            assert answer.status_code == 503
            checks = answer.json()["checks"]
            seen = {checks[name]["status"] for name in ("bitcoind", "websocket", "electrs", "mempool_backend")}
            time.sleep(0.1)
        assert seen <= {"error", "timeout"}
        assert checks["database"]["status"] == "ok"


@pytest.mark.parametrize(
    ("key", "value"), [("JWT_SECRET_KEY", "short"), ("API_PORT", "http"), ("JWT_ALGORITHM", "none")]
)
def test_bad_settings_leave_with_78_before_a_port_is_open(
    tmp_path: Path, stream: StreamService, key: str, value: str
) -> None:
    service = ApiService(stream, MAX_PRICE_USD="x", **{key: value})
    process = service.launch()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 78
    assert key.encode() in errors
    assert b"MAX_PRICE_USD" in errors
    assert not service.listens()
    assert not list(tmp_path.iterdir())


def test_it_starts_without_its_database_says_so_and_recovers(tmp_path: Path) -> None:
    stream = StreamService(tmp_path)
    file = tmp_path / "utxoracle.db"
    stream.database.close()
    content = file.read_bytes()
    file.unlink()
    with serving(ApiService(stream)) as service:
        until(lambda: service.checks()["database"]["status"] == "error", "the database to be missed")
        assert service.get("/health").json()["database"] == "disconnected"
        assert service.get("/api/prices/latest", stream.token()).json()["code"] == "DATABASE_UNAVAILABLE"
        assert service.get("/health/ready").status_code == 503
        file.write_bytes(content)
        until(lambda: service.get("/health/ready").status_code == 200, "the database to be found")
        assert service.get("/api/prices/latest", stream.token()).json()["code"] == "NO_DATA"


def test_it_stops_within_two_seconds(stream: StreamService) -> None:
    with serving(ApiService(stream)) as service:
        until(lambda: service.get("/health/live").ok, "an answer")
        assert service.stop() < 2
        assert service.process is not None
        assert service.process.returncode == 0


def test_nobody_waits_while_passwords_are_checked(api: ApiService) -> None:
    with ThreadPoolExecutor(4) as many:
        logins = [
            many.submit(api.post, "/api/auth/login", username="operator", password="wrong" * count)
            for count in range(1, 5)
        ]
        waits = []
        while not all(each.done() for each in logins):
            began = time.monotonic()
            assert api.get("/health/live").ok
            waits.append(time.monotonic() - began)
        assert {each.result().status_code for each in logins} <= {401, 429}
    assert waits
    assert sorted(waits)[len(waits) // 2] < 0.1

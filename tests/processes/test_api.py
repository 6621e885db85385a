"""The API process, as systemd starts it, beside a real stream, a real bitcoind and a real database."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from app.adapters.database.engine import Database
from app.adapters.database.tables import PriceRow
from app.adapters.own_stream import OwnStream
from app.domain.price.comparison import SLOT, slot_of
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
        **dict.fromkeys(["webhooks", "electrs"], "skipped"),
        **dict.fromkeys(["memory", "disk"], "ok"),
        "mempool_backend": "error",
        "mempool_stream": "degraded",
    }
    assert checks["bitcoind"]["message"] == "regtest at height 3"
    assert api.get("/health").status_code == 200
    assert api.get("/health").json()["status"] == "degraded"


def test_a_mempool_backend_that_nothing_is_asked_of_is_not_missed(stream: StreamService) -> None:
    with serving(ApiService(stream, EXCHANGE_COMPARISON_ENABLED="false")) as service:
        until(lambda: service.checks()["mempool_backend"]["status"] != "timeout", "the first checks")
        check = service.checks(stream.token())["mempool_backend"]
    assert (check["status"], check["message"]) == ("skipped", "EXCHANGE_COMPARISON_ENABLED is false")


def test_a_viewer_who_asks_for_years_stalls_nobody_and_makes_nothing_look_dead(
    tmp_path: Path, node: Bitcoind, stream: StreamService
) -> None:
    full = StreamService(tmp_path, port=stream.port)
    with full.database:
        keep_a_year(full.database)
    service = ApiService(full, BITCOIN_RPC_URL=node.rpc_url, BITCOIN_RPC_COOKIE_FILE=str(node.cookie))
    with serving(service), ThreadPoolExecutor(8) as many:
        until(lambda: service.get("/health").status_code == 200, "everything to be seen")
        path, token = "/api/prices/historical?days=", full.token()
        years = [many.submit(service.get, f"{path}{days}", token) for days in (365, 365, 365, 365, 364, 363, 362, 361)]
        while_they_waited = 0
        while not all(each.done() for each in years):
            assert service.get("/health").status_code == 200
            while_they_waited += 1
        answers = [each.result() for each in years]
    assert [each.status_code for each in answers] == [200] * 8
    assert answers[0].json()["count"] == 365 * 144
    assert len({each.content for each in answers[:4]}) == 1
    assert while_they_waited > 20


def keep_a_year(database: Database) -> None:
    now = datetime.now(UTC)
    row = {
        "source": "live",
        "utxoracle_price": 60_000.5,
        "exchange_price": 60_000.0,
        "difference": 0.5,
        "difference_percent": 0.5 / 600,
        "is_valid": True,
        "created_at": now,
    }
    with database.writing() as connection:
        connection.execute(
            insert(PriceRow), [row | {"timestamp": slot_of(now) - ago * SLOT} for ago in range(366 * 144)]
        )


def test_a_body_in_chunks_that_make_no_sense_is_no_error_of_ours(api: ApiService) -> None:
    headers = b"Host: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as client:
        client.sendall(b"POST /api/auth/login HTTP/1.1\r\n" + headers + b"\r\nno length\r\n")
        answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


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


def test_it_stops_soon(stream: StreamService) -> None:
    with serving(ApiService(stream)) as service:
        until(lambda: service.get("/health/live").ok, "an answer")
        assert service.stop() < 5, "two are meant; the machine of a test may be busy"
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

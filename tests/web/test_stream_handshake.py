"""Whose handshake is answered, and how the others are told."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import requests
from websockets.exceptions import InvalidStatus

from app.adapters.own_stream import OwnStream
from app.services.acceptance_checks import UnansweredError
from app.web.stream_limits import Arrivals
from tests.fakes.stream_client import StreamClient, connected
from tests.fakes.stream_service import HANDSHAKE, StreamService, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamService]:
    allowed = {"ALLOWED_ORIGINS": "https://wallet.example,https://node.example:8443"}
    with running(StreamService(tmp_path_factory.mktemp("handshake"), environ=allowed)) as service:
        yield service


def problem(refused: pytest.ExceptionInfo[InvalidStatus]) -> dict[str, Any]:
    response = refused.value.response
    assert response.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = json.loads(response.body or b"")
    assert found["status"] == response.status_code
    assert found["request_id"] == response.headers["X-Request-ID"] != ""
    return found


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "https://wallet.example:444", "x"]
)
def test_a_page_of_a_foreign_origin_gets_403(service: StreamService, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused, connected(service, origin=origin):
        pass
    assert problem(refused)["code"] == "FOREIGN_ORIGIN"
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    "origin", ["https://wallet.example", "https://wallet.example:443", "https://node.example:8443"]
)
def test_a_page_of_an_allowed_origin_may_connect(service: StreamService, origin: str) -> None:
    with connected(service, origin=origin) as client:
        client.authenticate(service.token())


def test_a_page_of_our_own_origin_may_connect(service: StreamService) -> None:
    with connected(service, origin=f"http://127.0.0.1:{service.port}") as client:
        client.authenticate(service.token())


def test_behind_a_trusted_proxy_our_own_origin_is_the_host_that_it_forwards(service: StreamService) -> None:
    headers = {"X-Forwarded-Host": "appliance.example:8443", "X-Forwarded-Proto": "https"}
    with connected(service, origin="https://appliance.example:8443", additional_headers=headers) as client:
        client.authenticate(service.token())


def test_a_page_of_our_own_host_without_tls_is_foreign_when_we_have_tls(service: StreamService) -> None:
    headers = {"X-Forwarded-Host": "appliance.example:8443", "X-Forwarded-Proto": "https"}
    with (
        pytest.raises(InvalidStatus) as refused,
        connected(service, origin="http://appliance.example:8443", additional_headers=headers),
    ):
        pass
    assert refused.value.response.status_code == 403


def test_a_proxy_that_is_not_trusted_forwards_no_host(tmp_path: Path) -> None:
    headers = {"X-Forwarded-Host": "evil.example"}
    with (
        running(StreamService(tmp_path, environ={"TRUSTED_PROXIES": "10.9.9.9"})) as service,
        pytest.raises(InvalidStatus) as refused,
        connected(service, origin="https://evil.example", additional_headers=headers),
    ):
        pass
    assert refused.value.response.status_code == 403


def test_compression_is_refused_and_nothing_breaks(service: StreamService) -> None:
    with connected(service, compression="deflate") as client:
        assert client.connection.response is not None
        assert "Sec-WebSocket-Extensions" not in client.connection.response.headers
        client.authenticate(service.token())


def connect_from(service: StreamService, address: str) -> None:
    """Connect as a client of that address, behind our proxy, and leave."""
    with connected(service, additional_headers={"X-Forwarded-For": address}):
        pass


def refused_from(service: StreamService, address: str) -> pytest.ExceptionInfo[InvalidStatus]:
    with pytest.raises(InvalidStatus) as refused:
        connect_from(service, address)
    return refused


def test_connects_of_one_address_are_counted_by_the_minute_behind_the_proxy_too(tmp_path: Path) -> None:
    with running(StreamService(tmp_path, limits_json='{"connects_per_minute": 3}')) as service:
        for _ in range(3):
            connect_from(service, "192.0.2.1")
        # The client itself may claim anything; only the hop that our proxy added counts.
        for once_too_often in ("192.0.2.1", "198.51.100.7, 192.0.2.1"):
            refused = refused_from(service, once_too_often)
            assert problem(refused)["code"] == "RATE_LIMITED"
            headers = refused.value.response.headers
            assert 0 < int(headers["Retry-After"]) <= 60
            assert headers["RateLimit-Reset"] == headers["Retry-After"]
            assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("3", "0")
        connect_from(service, "192.0.2.2")


def test_an_ipv6_network_is_one_client_of_the_stream_too(tmp_path: Path) -> None:
    with running(StreamService(tmp_path, limits_json='{"connects_per_minute": 3}')) as service:
        for last in range(3):
            connect_from(service, f"2001:db8::{last}")
        assert refused_from(service, "2001:db8::ffff").value.response.status_code == 429
        connect_from(service, "2001:db8:0:1::1")


def test_ipv4_clients_are_told_apart_when_the_stream_listens_on_ipv6(tmp_path: Path) -> None:
    environ = {"WEBSOCKET_HOST": "::", "TRUSTED_PROXIES": "127.0.0.1,::1"}
    limits = '{"connects_per_minute": 3}'
    with running(StreamService(tmp_path, limits_json=limits, environ=environ)) as service:
        # Our proxy is ::ffff:127.0.0.1 here, and is still the one that TRUSTED_PROXIES names.
        for _ in range(3):
            connect_from(service, "192.0.2.1")
        assert refused_from(service, "::ffff:192.0.2.1").value.response.status_code == 429
        connect_from(service, "::ffff:192.0.2.2")


def test_a_connect_costs_no_more_after_100000_addresses_have_come() -> None:
    arrivals = Arrivals(per_minute=3)
    for number in range(100_000):
        arrivals.take(str(number), now=0.0)
    began = time.perf_counter()
    for number in range(1_000):
        assert arrivals.take(str(number), now=1.0).is_allowed
    assert time.perf_counter() - began < 0.5


def test_what_is_left_of_a_minute_s_connects_is_right_whoever_came_between() -> None:
    arrivals = Arrivals(per_minute=2)
    assert arrivals.take("a", now=0.0).remaining == 1
    assert arrivals.take("b", now=10.0).remaining == 1
    assert arrivals.take("a", now=20.0).remaining == 0
    refused = arrivals.take("a", now=50.0)
    assert (refused.is_allowed, refused.remaining, refused.reset_seconds) == (False, 0, 10.0)
    assert arrivals.take("a", now=60.0).is_allowed
    assert not arrivals.take("a", now=79.9).is_allowed
    assert arrivals.take("b", now=80.0).remaining == 1
    assert arrivals.take("a", now=80.0).is_allowed


@pytest.fixture
def small(tmp_path: Path) -> Iterator[StreamService]:
    """A service for three clients, and two of its own host."""
    with running(StreamService(tmp_path, limits_json='{"connections": 3, "own_connections": 2}')) as service:
        yield service


def fill(stack: ExitStack, service: StreamService) -> list[StreamClient]:
    outside = {"X-Forwarded-For": "192.0.2.1"}
    return [stack.enter_context(connected(service, additional_headers=outside)) for _ in range(3)]


def test_the_number_of_connections_is_bounded_and_those_that_leave_make_room(small: StreamService) -> None:
    with ExitStack() as stack:
        clients = fill(stack, small)
        refused = refused_from(small, "192.0.2.2")
        assert problem(refused)["code"] == "UNAVAILABLE"
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"]
        clients[0].connection.close()

        def is_admitted() -> bool:
            try:
                connect_from(small, "192.0.2.2")
            except InvalidStatus:
                return False
            return True

        until(is_admitted, "room for one more")


def test_a_full_stream_still_shakes_hands_with_the_health_check_of_this_host(small: StreamService) -> None:
    own = OwnStream("127.0.0.1", small.port)
    with ExitStack() as stack:
        fill(stack, small)
        own.handshake()
        for _ in range(2):
            stack.enter_context(connected(small))
        with pytest.raises(UnansweredError, match="HTTP 503"):
            own.handshake()


def test_a_local_client_that_comes_too_often_does_not_make_the_health_check_fail(tmp_path: Path) -> None:
    with running(StreamService(tmp_path, limits_json='{"connects_per_minute": 2}')) as service:
        for _ in range(2):
            with connected(service):
                pass
        with pytest.raises(InvalidStatus) as refused, connected(service):
            pass
        assert refused.value.response.status_code == 429
        OwnStream("127.0.0.1", service.port).handshake()


@pytest.mark.parametrize("path", ["/", "/ws/whales"])
def test_plain_http_is_told_to_upgrade(service: StreamService, path: str) -> None:
    answer = requests.get(f"http://127.0.0.1:{service.port}{path}", timeout=10)
    assert answer.status_code == 426
    assert answer.headers["Upgrade"] == "websocket"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "UPGRADE_REQUIRED"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-WebSocket-Version": "8", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}, 426),
        ({"Sec-WebSocket-Version": "13"}, 400),
        ({"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Connection": "close"}, 400),
    ],
)
def test_half_a_handshake_is_an_error_of_the_client(
    service: StreamService, headers: dict[str, str], status: int
) -> None:
    standard = {"Upgrade": "websocket", "Connection": "Upgrade"}
    answer = requests.get(f"http://127.0.0.1:{service.port}/ws/whales", headers=standard | headers, timeout=10)
    assert answer.status_code == status
    assert answer.json()["code"]
    assert answer.json()["request_id"]


@pytest.mark.parametrize("body", [{"data": "GET / HTTP/1.1"}, {"data": iter([b"GET / HTTP/1.1"])}], ids=str)
def test_a_handshake_with_a_body_is_refused_for_its_bytes_would_pass_for_frames(
    service: StreamService, body: dict[str, Any]
) -> None:
    answer = requests.get(f"http://127.0.0.1:{service.port}/ws/whales", headers=HANDSHAKE, timeout=10, **body)
    assert answer.status_code == 400


def test_an_unknown_path_is_not_found(service: StreamService) -> None:
    answer = requests.get(f"http://127.0.0.1:{service.port}/ws/dolphins", headers=HANDSHAKE, timeout=10)
    assert answer.status_code == 404
    assert answer.json()["code"] == "NOT_FOUND"

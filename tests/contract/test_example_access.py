"""The client of docs/examples stays let in for as long as it may, and knows when there is no use in coming back."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import jwt
import pytest
import whale_stream
import yaml
from account import Account
from whale_stream import FileBookmark, Filters, RefusedError, Token, events

from tests.deploy.program import program
from tests.fakes.api_service import PASSWORD, ApiService, serving
from tests.fakes.example_client import awaited, breaks, ids, position_of, watcher
from tests.fakes.stream_client import connected
from tests.fakes.stream_service import CHECKOUT, StreamService, free_port, running, until

# Whatever fails here does so by waiting for a message that does not come.
pytestmark = pytest.mark.timeout(120)

LOSES_WHAT_COMES_FIRST = """
from app.web.stream_conversation import Conversation
obey, lost = Conversation._obey, []
Conversation._obey = lambda conversation, text: obey(conversation, text) if lost else lost.append(text)
"""


# Tokens


def test_a_token_is_renewed_in_place_before_it_expires(
    service: StreamService, bookmark: FileBookmark, caplog: pytest.LogCaptureFixture
) -> None:
    given: list[float] = []

    def sign_in() -> Token:
        given.append(time.monotonic())
        return Token(service.token(exp=int(time.time()) + 4), lifetime_seconds=3)

    with closing(events(service.url, sign_in, bookmark=bookmark)) as stream:
        following = awaited(stream)
        # The first is long worth nothing by then.
        until(lambda: len(given) >= 4, "three renewals")
        (appended,) = service.append(1.0)
        assert following()["event_id"] == appended
    assert breaks(caplog) == []


def test_a_client_that_does_not_know_how_long_its_token_lasts_comes_back_with_another(
    service: StreamService, bookmark: FileBookmark, caplog: pytest.LogCaptureFixture
) -> None:
    def sign_in() -> Token:
        return Token(service.token(exp=int(time.time()) + 2))

    with closing(events(service.url, sign_in, bookmark=bookmark)) as stream:
        following = awaited(stream)
        until(lambda: bool(breaks(caplog)), "the first token to expire")
        (appended,) = service.append(1.0)
        assert following()["event_id"] == appended
    assert "expired" in breaks(caplog)[0]


def test_a_token_that_could_not_be_looked_at_is_followed_by_another_over_the_same_connection(
    service: StreamService, bookmark: FileBookmark, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(whale_stream, "PATIENCE_SECONDS", 1.0)
    file = service.directory / "utxoracle.db"
    away = file.with_suffix(".away")
    given: list[float] = []

    def sign_in() -> Token:
        given.append(time.monotonic())
        # Whoever takes the second for good asks for no third.
        return Token(service.token(), lifetime_seconds=2 if len(given) == 1 else None)

    with closing(events(service.url, sign_in, bookmark=bookmark)) as stream:
        (appended,) = service.append(1.0)
        assert ids(stream, 1) == [appended]
        service.database.close()
        file.rename(away)
        assert next(stream)["status"] == "degraded"
        following = awaited(stream)
        until(lambda: len(given) >= 3, "another token")
        away.rename(file)
        assert following()["status"] == "recovered"
        (appended,) = service.append(2.0)
        assert ids(stream, 1) == [appended]
    assert breaks(caplog) == []


def test_a_token_that_came_too_late_is_no_refused_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    service = StreamService(tmp_path, limits_json='{"auth_seconds": 0.2}', sabotage=LOSES_WHAT_COMES_FIRST)
    bookmark = FileBookmark(tmp_path / "place.json")
    with running(service), closing(events(service.url, lambda: watcher(service), bookmark=bookmark)) as stream:
        following = awaited(stream)
        until(lambda: bookmark.read() is not None, "the second token to be looked at")
        (appended,) = service.append(1.0)
        assert following()["event_id"] == appended
    assert "no authentication in time" in breaks(caplog)[0]


def test_the_only_token_that_there_is_ends_the_stream_when_it_expires(service: StreamService) -> None:
    only = Token(service.token(exp=int(time.time()) + 2))
    with pytest.raises(RefusedError, match="expired"):
        next(events(service.url, lambda: only))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiService]:
    stream = StreamService(tmp_path_factory.mktemp("api"))
    with running(stream), serving(ApiService(stream)) as api:
        api.add_account("reader")
        yield api


def account(api: ApiService, password: str = PASSWORD) -> Account:
    return Account(f"http://127.0.0.1:{api.port}", "reader", password)


def claims(token: Token) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token.text, options={"verify_signature": False})
    return found


def test_name_and_password_open_the_stream(api: ApiService, tmp_path: Path) -> None:
    bookmark = FileBookmark(tmp_path / "place.json")
    bookmark.write(position_of(api.stream))
    appended = api.stream.append(1.0)
    with closing(events(api.stream.url, account(api), bookmark=bookmark)) as stream:
        assert ids(stream, 1) == appended


def test_a_wrong_password_ends_it_with_the_words_of_the_appliance(api: ApiService) -> None:
    with pytest.raises(RefusedError, match="do not match"):
        next(events(api.stream.url, account(api, "wrong")))


def test_later_tokens_come_of_the_same_session_and_of_a_new_one_when_that_has_ended(api: ApiService) -> None:
    sign_in = account(api)
    first, second = sign_in(), sign_in()
    assert first.lifetime_seconds == 3600
    assert claims(second)["family"] == claims(first)["family"]
    assert claims(second)["jti"] != claims(first)["jti"]
    assert api.post("/api/auth/logout", second.text).ok
    third = sign_in()
    assert claims(third)["family"] != claims(first)["family"]


def test_an_api_that_is_away_is_waited_for(api: ApiService, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bookmark = FileBookmark(tmp_path / "place.json")
    bookmark.write(position_of(api.stream))
    ways: list[Callable[[], Token]] = [
        lambda: watcher(api.stream),
        Account(f"http://127.0.0.1:{free_port()}", "reader", PASSWORD),
    ]

    def sign_in() -> Token:
        return ways.pop()()

    appended = api.stream.append(1.0)
    with closing(events(api.stream.url, sign_in, bookmark=bookmark)) as stream:
        assert ids(stream, 1) == appended
    assert "refused" in breaks(caplog)[0]


# Refusals, and pauses


def test_it_ends_for_good_with_the_close_codes_that_say_so() -> None:
    document = yaml.safe_load((CHECKOUT / "docs" / "asyncapi.yaml").read_text("utf-8"))
    final = {code for code, close in document["info"]["x-close-codes"].items() if not close["again"]}
    assert final == whale_stream.ENDS_FOR_GOOD | {whale_stream.UNAUTHENTICATED}


def test_a_role_that_may_not_follow_ends_it(service: StreamService) -> None:
    with pytest.raises(RefusedError, match="role"):
        next(events(service.url, lambda: Token(service.token(role="nobody"))))


def test_a_filter_that_there_is_not_ends_it(service: StreamService) -> None:
    with pytest.raises(RefusedError, match="sideways"):
        next(events(service.url, lambda: watcher(service), filters=Filters(flow_types=["sideways"])))


def test_a_path_where_there_is_no_stream_ends_it(service: StreamService) -> None:
    with pytest.raises(RefusedError, match="404"):
        next(events(f"{service.url}/elsewhere", lambda: watcher(service)))


class SleptEnoughError(Exception):
    pass


def pauses_of(
    monkeypatch: pytest.MonkeyPatch, url: str, count: int, sign_in: Callable[[], Token] = lambda: Token("any")
) -> list[float]:
    """Return the first pauses of a client that has no success; none of them is slept."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == count:
            raise SleptEnoughError

    monkeypatch.setattr("whale_stream.time.sleep", sleep)
    with pytest.raises(SleptEnoughError):
        next(events(url, sign_in))
    return slept


def test_pauses_grow_up_to_a_limit_and_are_never_the_same_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = pauses_of(monkeypatch, f"ws://127.0.0.1:{free_port()}/ws/whales", 12)
    for number, seconds in enumerate(slept):
        usual = min(0.5 * 2**number, 60)
        assert 0.5 * usual <= seconds <= 1.5 * usual
    assert len(set(slept)) == len(slept)


def test_a_stream_that_is_full_is_left_alone_for_as_long_as_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = '{"connections": 1, "own_connections": 0}'
    with running(StreamService(tmp_path, limits_json=limits)) as service, connected(service):
        (seconds,) = pauses_of(monkeypatch, service.url, 1)
    assert seconds >= 1


def test_who_signed_in_too_often_stays_away_for_as_long_as_the_api_asks(
    service: StreamService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(ApiService(service)) as api:
        wrong = {"username": "reader", "password": "wrong"}
        while api.post("/api/auth/login", **wrong).status_code != 429:
            pass
        (seconds,) = pauses_of(monkeypatch, service.url, 1, account(api))
    assert seconds >= 1


# Certificates


def make_certificate(directory: Path) -> None:
    """Let the role's program make one; it sets the umask, which is its own process's to set."""
    umask = os.umask(0o077)
    try:
        program("proxy/files/certificate.py").make(directory, ["localhost", "127.0.0.1"])
    finally:
        os.umask(umask)


@contextmanager
def tls_in_front(service: StreamService, certificates: Path) -> Iterator[str]:
    """Pass on what comes over TLS, as the proxy does; give the address."""
    make_certificate(certificates)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificates / "certificate.pem", certificates / "key.pem")

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", service.port)
        try:
            await asyncio.gather(pass_on(reader, behind_writer), pass_on(behind_reader, writer))
        finally:
            for each in (writer, behind_writer):
                each.transport.abort()

    async def end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # What was aborted is closed in the next rounds of the loop.
        await asyncio.sleep(0.1)

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"wss://localhost:{server.sockets[0].getsockname()[1]}/ws/whales"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(end())
        loop.close()


def test_a_self_signed_certificate_is_trusted_by_its_copy_and_not_without(
    service: StreamService, bookmark: FileBookmark, tmp_path: Path
) -> None:
    with tls_in_front(service, tmp_path / "tls") as url:
        with pytest.raises(RefusedError, match="cafile"):
            next(events(url, lambda: watcher(service)))
        appended = service.append(1.0)
        cafile = str(tmp_path / "tls" / "certificate.pem")
        with closing(events(url, lambda: watcher(service), bookmark=bookmark, cafile=cafile)) as stream:
            assert ids(stream, 1) == appended

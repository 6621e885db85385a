"""Settings that say where something is: nothing ambiguous, and no password where messages would show it."""

from __future__ import annotations

import pytest

from app.config.declaration import declarations

KINDS = {key: declared.kind for key, declared in declarations()}
URLS = [key for key, kind in KINDS.items() if "http" in kind.expects]


def test_every_web_address_is_looked_at() -> None:
    assert {"BITCOIN_RPC_URL", "MEMPOOL_API_URL", "ELECTRS_API_URL", "EXPLORER_URL", "DEAD_MAN_URL"} < set(URLS)
    assert {"WEBHOOK_URLS", "RATE_SOURCES", "ALLOWED_ORIGINS"} < set(URLS)


@pytest.mark.parametrize("user", ["u:hunter2", "hunter2", "u:hunter2@more", ":hunter2"])
@pytest.mark.parametrize("key", URLS)
def test_a_password_in_a_web_address_is_refused_and_not_repeated(key: str, user: str) -> None:
    url = f"http://{user}@host:8999"
    with pytest.raises(ValueError, match="has a user or password in it") as refused:
        KINDS[key].read(f"name={url}/path#usd" if key == "RATE_SOURCES" else url)
    assert "hunter2" not in str(refused.value)


def test_for_bitcoind_the_sentence_says_where_the_password_goes() -> None:
    with pytest.raises(ValueError, match="use BITCOIN_RPC_USER and BITCOIN_RPC_PASSWORD"):
        KINDS["BITCOIN_RPC_URL"].read("http://u:p@127.0.0.1:8332")


@pytest.mark.parametrize(
    "url", ["ftp://host", "http://", "host:80", "http://ho st", "http://-", "http://host:0", "http://host:99999"]
)
@pytest.mark.parametrize("key", URLS)
def test_what_is_no_web_address_is_refused(key: str, url: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        KINDS[key].read(url)


@pytest.mark.parametrize(
    ("written", "sent_by_browsers"),
    [
        ("https://Wallet.Example", "https://wallet.example"),
        ("HTTPS://wallet.example:443", "https://wallet.example"),
        ("http://wallet.example:80/", "http://wallet.example"),
        ("https://wallet.example:80", "https://wallet.example:80"),
        ("https://[2001:DB8:0:0::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(written: str, sent_by_browsers: str) -> None:
    assert KINDS["ALLOWED_ORIGINS"].read(written) == (sent_by_browsers,)


@pytest.mark.parametrize("ending", ["/app", "/?", "?a=b", "#x", "//"])
def test_an_origin_with_more_than_host_and_port_is_refused(ending: str) -> None:
    with pytest.raises(ValueError, match="without a path"):
        KINDS["ALLOWED_ORIGINS"].read(f"https://wallet.example{ending}")


def test_null_is_no_origin() -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        KINDS["ALLOWED_ORIGINS"].read("null")


@pytest.mark.parametrize("name", ["proxy.example", "localhost", "10.0.0.0/8", "127.0.0.1:80"])
def test_a_proxy_that_could_never_be_recognised_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected an IP address"):
        KINDS["TRUSTED_PROXIES"].read(name)


def test_a_proxy_has_one_address_however_it_is_written() -> None:
    assert KINDS["TRUSTED_PROXIES"].read("0:0::1, ::ffff:10.0.0.1") == ("::1", "10.0.0.1")


@pytest.mark.parametrize("url", ["tcp://u:hunter2@host:1", "tcp://host", "tcp://host:70000", "tcp://host:1/x", "on"])
def test_a_publisher_that_could_not_be_reached_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not auto|has a user") as refused:
        KINDS["ZMQ_RAWTX_URL"].read(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["auto", "off", "tcp://127.0.0.1:28332", "tcp://[::1]:28332", "ipc:///run/zmq"])
def test_a_publisher_is_taken_as_written(url: str) -> None:
    assert KINDS["ZMQ_RAWTX_URL"].read(url) == url


@pytest.mark.parametrize("text", ["8_001", "\uff18001", " 8001", "8001 ", "0x1f41", "8e3"])
def test_a_number_that_only_python_would_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a whole number"):
        KINDS["API_PORT"].read(text)

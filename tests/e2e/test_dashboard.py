"""The dashboard of a deployed host, in a real browser: the price, health and figures, live over the WebSocket."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, StorageState, WebSocket, expect

from tests.e2e.chromium import chromium
from tests.e2e.operator import CHECKOUT, Operator, inventory

URL = os.environ.get("UTXORACLE_E2E_URL", "https://127.0.0.1:8443")
PASSWORD_FILE = CHECKOUT / os.environ.get("UTXORACLE_E2E_PASSWORD_FILE", ".demo/password")
SCREENSHOTS = CHECKOUT / ".demo" / "screenshots"
JOB = "utxoracle-integration.service"
PATIENCE_MS = 30_000
# What a visitor may find in the console: refusals that tests ask for, and a stream that is away, which is unhealthy.
HARMLESS = re.compile(r"(401|404|503) \(|WebSocket connection to .* failed")


@pytest.fixture(scope="module")
def operator() -> Operator:
    return Operator(inventory())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def session(browser: Browser) -> StorageState:
    """The cookies of a sign-in: there are 5 a minute, and more tests than that."""
    context = browser.new_context(ignore_https_errors=True)
    sign_in(context.new_page())
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages, each in a context of its own; afterwards nothing must have been wrong in their consoles."""
    contexts = []
    complaints: list[str] = []

    def open_page(session: StorageState | None = None, width: int = 1280, scheme: str = "light") -> Page:
        context = browser.new_context(
            storage_state=session,
            ignore_https_errors=True,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [each for each in complaints if not HARMLESS.search(each)] == []


def sign_in(page: Page) -> None:
    """Sign in as the first user, from wherever the dashboard sends a stranger."""
    password = PASSWORD_FILE.read_text(encoding="utf-8").strip()
    page.goto(URL)
    expect(page).to_have_url(re.compile("/login$"))
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{URL}/")


def open_dashboard(page: Page) -> None:
    """Go there with a session, and wait until all of it is shown."""
    page.goto(URL)
    expect(page).to_have_url(f"{URL}/")
    expect(page.locator("#connection")).to_have_text("live", timeout=PATIENCE_MS)
    expect(page.locator("#checks li")).to_have_count(12, timeout=PATIENCE_MS)


def usd(text: str) -> float:
    return float(re.sub(r"[^0-9.]", "", text))


def test_it_shows_the_price_of_the_chain_its_health_and_its_figures(
    new_page: Callable[..., Page], session: StorageState, operator: Operator
) -> None:
    operator.root(f"systemctl start {JOB}")
    page = new_page(session)
    open_dashboard(page)
    expect(page.locator("#estimate")).to_contain_text("$", timeout=PATIENCE_MS)
    true_usd = json.loads(operator.root("life price --json"))["window_usd"]
    shown_usd = usd(page.locator("#estimate").inner_text())
    assert abs(shown_usd - true_usd) <= 0.01 * true_usd, f"{shown_usd} is shown, {true_usd} is true"
    assert usd(page.locator("#rate").inner_text()) > 0
    expect(page.locator("#difference")).to_contain_text("%")
    expect(page.locator("#health-status")).to_have_text("healthy", timeout=PATIENCE_MS)
    statuses = page.locator("#checks .pill").all_inner_texts()
    assert sorted(set(statuses)) == ["ok", "skipped"]
    expect(page.locator("#chart svg")).to_be_visible()
    figures = dict(zip(*(page.locator(f"#figures {tag}").all_inner_texts() for tag in ("dt", "dd")), strict=True))
    assert int(figures["Valid rows, 24 h"]) >= 1
    assert re.fullmatch(r"\d+ MB", figures["Memory of the API"])
    page.screenshot(path=SCREENSHOTS / "dashboard.png", full_page=True)


def test_a_new_price_arrives_by_the_websocket(
    new_page: Callable[..., Page], session: StorageState, operator: Operator
) -> None:
    page = new_page(session)
    received: list[dict[str, object]] = []

    def listen(socket: WebSocket) -> None:
        assert socket.url == re.sub("^http", "ws", f"{URL}/ws/whales")
        socket.on("framereceived", lambda frame: received.append(json.loads(frame)))

    page.on("websocket", listen)
    open_dashboard(page)
    before = len(received)
    operator.root(f"systemctl start {JOB}")
    for _ in range(100):
        events = [each for each in received[before:] if each["type"] == "price_update"]
        if events:
            break
        page.wait_for_timeout(100)
    assert events, f"a run brought no price_update; received {received}"
    price = events[-1]["utxoracle_price"]
    assert isinstance(price, float)
    expect(page.locator("#estimate")).to_have_text(f"${price:,.0f}", timeout=2000)


def test_it_says_so_when_the_websocket_is_gone_and_comes_back(
    new_page: Callable[..., Page], session: StorageState, operator: Operator
) -> None:
    page = new_page(session)
    open_dashboard(page)
    operator.root("systemctl stop utxoracle-websocket")
    try:
        expect(page.locator("#connection")).to_have_text("polling every 10 s", timeout=PATIENCE_MS)
    finally:
        operator.root("systemctl start utxoracle-websocket")
    expect(page.locator("#connection")).to_have_text("live", timeout=PATIENCE_MS)
    expect(page.locator("#estimate")).to_contain_text("$")


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [("dark", 1280, "dark"), ("narrow", 375, "light"), ("narrow-dark", 375, "dark")],
)
def test_it_fits_every_screen(
    new_page: Callable[..., Page], session: StorageState, name: str, width: int, scheme: str
) -> None:
    page = new_page(session, width, scheme)
    open_dashboard(page)
    expect(page.locator("#estimate")).to_contain_text("$", timeout=PATIENCE_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=SCREENSHOTS / f"dashboard-{name}.png", full_page=True)


def test_a_wrong_password_stays_outside(new_page: Callable[..., Page]) -> None:
    page = new_page()
    page.goto(f"{URL}/login")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("certainly wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("Name and password do not match.")
    page.screenshot(path=SCREENSHOTS / "login.png", full_page=True)
    page.goto(URL)
    expect(page).to_have_url(re.compile("/login$"))


def test_a_session_that_ran_out_is_renewed_and_one_that_was_ended_is_not(new_page: Callable[..., Page]) -> None:
    page = new_page()
    sign_in(page)
    for _ in range(2):
        page.context.clear_cookies(name="utxoracle_access")
        page.goto(URL)
        expect(page.locator("#connection")).to_have_text("live", timeout=PATIENCE_MS)
    assert page.url == f"{URL}/"
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/login$"))
    page.goto(URL)
    expect(page).to_have_url(re.compile("/login$"))

"""The dashboard of a deployed host, in a real browser: the price, health and figures, live over the WebSocket."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, StorageState, WebSocket, expect

from tests.e2e.chromium import chromium
from tests.e2e.listener import PASSWORD_FILE, URL
from tests.e2e.made_up_prices import MadeUpPrices
from tests.e2e.operator import CHECKOUT, Operator, inventory

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


def test_it_shows_how_far_the_price_can_be_trusted(
    new_page: Callable[..., Page], session: StorageState, operator: Operator
) -> None:
    operator.root(f"systemctl start {JOB}")
    page = new_page(session)
    open_dashboard(page)
    expect(page.locator("#band-words")).to_have_text(re.compile(r"^± [0-9.]+ %, nine times in ten$"))
    expect(page.locator("#confidence-words")).to_have_text(re.compile(r"^[0-9]+ %, (high|medium|low|very low)$"))
    page.get_by_text("Where this comes from").click()
    details = dict(
        zip(*(page.locator(f"#estimate-figures {tag}").all_inner_texts() for tag in ("dt", "dd")), strict=True)
    )
    low, high = (usd(each) for each in details["Nine times in ten within"].split(" to "))
    assert low <= usd(page.locator("#estimate").inner_text()) <= high
    assert {"Lock margin over other prices", "Signal, in standard deviations"} <= set(details)


def test_every_timeframe_has_a_chart_and_the_choice_is_remembered(
    new_page: Callable[..., Page], session: StorageState
) -> None:
    page = new_page(session)
    open_dashboard(page)
    for name in ("1 h", "24 h", "7 d", "30 d", "1 y", "all"):
        page.get_by_text(name, exact=True).click()
        expect(page.locator("#chart")).to_have_attribute("aria-busy", "false")
        expect(page.locator("#chart svg")).to_be_visible()
        expect(page.locator("#chart-summary")).to_contain_text("times are UTC")
    page.reload()
    expect(page.get_by_label("all", exact=True)).to_be_checked()
    expect(page.locator("#chart-summary")).to_contain_text("mean of a day")


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
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
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
    expect(page.locator("#connection")).to_have_text("live", timeout=PATIENCE_MS)
    for _ in range(2):
        page.context.clear_cookies(name="utxoracle_access")
        page.goto(URL)
        expect(page.locator("#connection")).to_have_text("live", timeout=PATIENCE_MS)
    assert page.url == f"{URL}/"
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/login$"))
    page.goto(URL)
    expect(page).to_have_url(re.compile("/login$"))


def show(page: Page, rows: dict[int, dict[str, Any]]) -> MadeUpPrices:
    """Open the dashboard with these rows, by how many slots ago they are, in place of those of the appliance."""
    prices = MadeUpPrices(rows)
    prices.install(page)
    open_dashboard(page)
    return prices


NOTHING = "\N{EN DASH}"
INVALID: dict[str, Any] = {"is_valid": False, "invalid_reason": "too_few_points", "difference": 1000.0}


def test_gaps_in_the_history_are_gaps_in_the_chart(new_page: Callable[..., Page], session: StorageState) -> None:
    page = new_page(session)
    rows: dict[int, dict[str, Any]] = {ago: {} for ago in range(120)}
    # Without a row, with an invalid one on each side of a valid one, and without a rate.
    del rows[30]
    rows[60] = rows[62] = INVALID
    rows[90] = {"exchange_price": None, "difference": None, "difference_percent": None}
    show(page, rows)
    expect(page.locator("#chart .line.estimate")).to_have_count(3)
    expect(page.locator("#chart .dot.estimate")).to_have_count(1)
    expect(page.locator("#chart .band")).to_have_count(3)
    expect(page.locator("#chart .whisker")).to_have_count(1)
    expect(page.locator("#chart .line.rate")).to_have_count(3)
    expect(page.locator("#chart-summary")).to_contain_text("3 gaps without a valid estimate.")
    page.screenshot(path=SCREENSHOTS / "gaps.png", full_page=True)


def test_a_price_that_never_moves_is_a_level_line(new_page: Callable[..., Page], session: StorageState) -> None:
    page = new_page(session)
    show(page, {ago: {"band_low": None, "band_high": None, "exchange_price": None} for ago in range(120)})
    expect(page.locator("#chart .line")).to_have_count(1)
    expect(page.locator("#chart-summary")).to_contain_text("Estimate from $100,000 to $100,000. No exchange rate.")
    drawn = page.locator("#chart .line").get_attribute("d") or ""
    heights = {float(each) for each in re.findall(r",([0-9.]+)", drawn)}
    assert len(heights) == 1
    assert 40 < heights.pop() < 220


def test_an_old_price_is_called_old(new_page: Callable[..., Page], session: StorageState) -> None:
    page = new_page(session)
    show(page, {ago: {} for ago in range(5, 100)})
    expect(page.locator("#chart-state")).to_have_text(re.compile(r"^The newest price is 5\d minutes old\.$"))
    expect(page.locator("#estimate-state")).to_contain_text("no run has written a row since")
    expect(page.locator("#estimate")).to_have_text("$100,000")
    page.screenshot(path=SCREENSHOTS / "old.png", full_page=True)


def test_runs_that_stopped_with_an_invalid_row_are_called_so(
    new_page: Callable[..., Page], session: StorageState
) -> None:
    page = new_page(session)
    show(page, {5: INVALID, 9: {}})
    expect(page.locator("#chart-state")).to_have_text(re.compile(r"^The newest valid price is 9\d minutes old\.$"))
    expect(page.locator("#estimate-state")).to_contain_text("no run has written a row since")


def test_the_last_valid_price_stays_while_newer_runs_find_none(
    new_page: Callable[..., Page], session: StorageState
) -> None:
    page = new_page(session)
    show(page, {0: INVALID | {"utxoracle_price": 5.0}, 400: {}})
    expect(page.locator("#estimate")).to_have_text("$100,000")
    expect(page.locator("#difference")).to_have_text(NOTHING)
    expect(page.locator("#chart-state")).to_have_text("The newest valid price is 2 days old.")
    expect(page.locator("#estimate-state")).to_contain_text("found no valid one: too few payments near the estimate.")


def test_the_rate_says_how_old_its_quote_is_and_whose_was_left_out(
    new_page: Callable[..., Page], session: StorageState
) -> None:
    page = new_page(session)
    sources = {"exchange_sources": {"mempool": 99_000.0, "near": 99_100.0}, "exchange_outliers": {"far": 9_500.0}}
    quoted_at = datetime.now(UTC) - timedelta(minutes=40, seconds=5)
    show(page, {0: {"exchange_time": quoted_at.isoformat()} | sources})
    expect(page.locator("#rate-about")).to_have_text("quoted up to 40 minutes ago, from 2 of 3 sources: mempool, near")
    expect(page.locator("#rate-outliers")).to_have_text("Left out as too far off: far, $9,500.")
    page.screenshot(path=SCREENSHOTS / "outlier.png", full_page=True)


def test_without_any_valid_price_there_is_no_figure(new_page: Callable[..., Page], session: StorageState) -> None:
    page = new_page(session)
    show(page, {0: INVALID, 1: INVALID})
    expect(page.locator("#estimate")).to_have_text(NOTHING)
    expect(page.locator("#band")).to_be_hidden()
    expect(page.locator("#chart-state")).to_have_text("There is no valid price yet.")
    expect(page.locator("#chart .line.rate")).to_have_count(1)
    expect(page.locator("#chart-summary")).to_contain_text("No valid estimate.")


def test_an_empty_timeframe_says_where_the_newest_price_is(
    new_page: Callable[..., Page], session: StorageState
) -> None:
    page = new_page(session)
    prices = show(page, {9: {}})
    page.get_by_text("1 h", exact=True).click()
    at = datetime.fromisoformat(prices.row(9)["timestamp"])
    expect(page.locator("#chart-empty")).to_have_text(
        re.compile(rf"^No prices in the last hour yet; the newest is of .*, {at:%H:%M} UTC\.$")
    )
    expect(page.locator("#chart-plot")).to_be_hidden()


def test_a_moment_can_be_read_with_the_keys(new_page: Callable[..., Page], session: StorageState) -> None:
    page = new_page(session)
    prices = show(page, {0: {}, 1: {"utxoracle_price": 98_000.0, "band_low": None, "band_high": None}, 2: INVALID})
    plot = page.get_by_role("slider", name="Moment in the chart")
    plot.press("ArrowRight")
    expect(page.locator("#chart-readout")).to_contain_text(
        "UTC · estimate $100,000 ± 0.4 % · rate $99,000 · difference +$1,000 (+1.01 %)"
    )
    plot.press("ArrowLeft")
    at = datetime.fromisoformat(prices.row(1)["timestamp"])
    expect(plot).to_have_attribute("aria-valuetext", re.compile(rf"{at:%H:%M} UTC · estimate \$98,000 · rate"))
    plot.press("Home")
    expect(page.locator("#chart-readout")).to_contain_text("no valid estimate · rate $99,000")
    plot.press("Escape")
    expect(page.locator("#chart .mark")).to_have_count(0)


def test_what_is_filled_in_later_is_drawn_and_is_not_the_newest(
    new_page: Callable[..., Page], session: StorageState
) -> None:
    page = new_page(session)
    prices = show(page, {2: {}, 5: {}})
    expect(page.locator("#chart .dot.estimate")).to_have_count(2)
    for ago in (3, 4):
        prices.tell(ago, source="backfill", utxoracle_price=50_000.0)
    prices.tell(2, source="backfill", utxoracle_price=40_000.0)
    expect(page.locator("#chart .line.estimate")).to_have_count(1)
    expect(page.locator("#estimate")).to_have_text("$100,000")
    expect(page.locator("#chart-summary")).to_contain_text("Estimate from $50,000 to $100,000.")
    prices.tell(1, utxoracle_price=101_000.0)
    expect(page.locator("#estimate")).to_have_text("$101,000")
    prices.tell(0, **INVALID)
    expect(page.locator("#estimate-state")).to_contain_text("found no valid one")
    expect(page.locator("#estimate")).to_have_text("$101,000")

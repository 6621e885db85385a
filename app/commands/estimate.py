"""`utxoracle estimate`: a price from the node's blocks, without a database."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import click

from app.commands.blocks import blocks_of
from app.commands.failure import FailedError
from app.config import load as configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.config.declaration import Settings
    from app.services.onchain_price import OnchainPrice


@click.command()
@click.option("--recent", is_flag=True, help="From the newest blocks.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="From the blocks of a UTC day.")
@click.option(
    "--method",
    type=click.Choice(["published", "ours"]),
    default="published",
    show_default=True,
    help="The published method, to the last bit; or ours, which is what the appliance stores.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with figures to the last bit.")
@click.pass_obj
def estimate(environ: dict[str, str], *, recent: bool, day: datetime | None, method: str, as_json: bool) -> None:
    """Estimate the price of bitcoin from the blocks of the node in the settings; nothing is stored.

    With --method ours the figures are judged by the limits of the settings, as the appliance judges a row; but whether
    the price has moved too far since the row before is not looked at, for without a database no row is known.
    """
    from app.adapters.proving_processes import PROVERS, proving_processes  # noqa: PLC0415 - as in app.commands
    from app.domain.price.estimate import NotEnoughDataError  # noqa: PLC0415
    from app.services.block_source import OnchainPriceError  # noqa: PLC0415
    from app.services.onchain_price import estimate_day, estimate_recent  # noqa: PLC0415

    if recent == (day is not None):
        raise click.UsageError("Say either --recent or --day YYYY-MM-DD.")
    settings = configuration.load_or_exit(environ, without={"JWT_SECRET_KEY"})
    source = blocks_of(settings, configuration.Directories.of(environ).state)
    provers = partial(proving_processes, PROVERS)
    try:
        with _progress() as progress:
            price = (
                estimate_day(source, settings.bitcoin_network, day.date(), provers=provers, progress=progress)
                if day is not None
                else estimate_recent(
                    source,
                    settings.bitcoin_network,
                    window_blocks=settings.onchain_window_blocks,
                    min_confirmations=settings.onchain_min_confirmations,
                    provers=provers,
                    progress=progress,
                )
            )
    except (OnchainPriceError, NotEnoughDataError) as error:
        raise FailedError(str(error)) from error
    figures = _window(price) | {"method": method}
    figures |= _published(price) if method == "published" else _ours(price, settings, is_day=day is not None)
    if as_json:
        click.echo(json.dumps(figures))
        return
    click.echo("\n".join(f"{name:<16} {figure}" for name, figure in figures.items()))


def _window(price: OnchainPrice) -> dict[str, object]:
    return {
        "first_height": price.first_height,
        "last_height": price.last_height,
        "last_hash": price.last_hash,
        "n_blocks": price.n_blocks,
        "n_outputs": price.n_outputs,
        "block_source": price.block_source,
    }


def _published(price: OnchainPrice) -> dict[str, object]:
    if price.published is None:
        raise FailedError("the published method finds no price in these blocks: too few of their payments are round")
    return asdict(price.published)


def _ours(price: OnchainPrice, settings: Settings, *, is_day: bool) -> dict[str, object]:
    from app.domain.price.comparison import PriceComparison  # noqa: PLC0415 - as in app.commands
    from app.services.judgement import Limits, judged  # noqa: PLC0415

    own = price.own
    if is_day:
        # That of a day is its mean, which is better known than its end: the band is wide enough.
        scale = own.window_price / own.price
        own = replace(own, price=own.window_price, band_low=own.band_low * scale, band_high=own.band_high * scale)
    max_age = timedelta(seconds=settings.price_max_age_seconds)
    limits = Limits(settings.min_price_usd, settings.max_price_usd, settings.confidence_threshold, max_age)
    # Judged is what is printed. The slot does not matter without a row before it.
    row = judged(PriceComparison(timestamp=datetime.now(UTC)), replace(price, own=own), limits, before=None)
    return {
        "price": row.utxoracle_price,
        "band_low": row.band_low,
        "band_high": row.band_high,
        "confidence": row.confidence,
        "is_valid": row.is_valid,
        "invalid_reason": row.invalid_reason,
        "window_price": row.window_price,
        "published_price": row.published_price,
        "lock_margin": row.lock_margin,
        "rival_factor": own.rival_factor,
        "signal": row.signal,
        "roundness": own.roundness,
        "point_count": row.point_count,
        "spread_percent": row.spread_percent,
    }


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Give what shows on a terminal how many blocks were read, and wipe it away at the end."""
    shown = sys.stderr.isatty()

    def show(done: int, total: int) -> None:
        if shown:
            click.echo(f"\rblock {done} of {total}", err=True, nl=False)

    try:
        yield show
    finally:
        if shown:
            click.echo("\r\033[K", err=True, nl=False)

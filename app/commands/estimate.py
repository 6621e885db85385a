"""`utxoracle estimate`: a price from the node's blocks, without a database."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import click

from app.commands.blocks import blocks_of
from app.commands.failure import FailedError
from app.config import load as configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

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
    """Estimate the price of bitcoin from the blocks of the node in the settings; nothing is stored."""
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
    figures = _figures(price, method, is_day=day is not None)
    if as_json:
        click.echo(json.dumps(figures))
        return
    click.echo("\n".join(f"{name:<16} {figure}" for name, figure in figures.items()))


def _figures(price: OnchainPrice, method: str, *, is_day: bool) -> dict[str, object]:
    window = {
        "first_height": price.first_height,
        "last_height": price.last_height,
        "last_hash": price.last_hash,
        "n_blocks": price.n_blocks,
        "n_outputs": price.n_outputs,
        "block_source": price.block_source,
        "method": method,
    }
    if method == "published":
        if price.published is None:
            raise FailedError(
                "the published method finds no price in these blocks: too few of their payments are round"
            )
        return window | asdict(price.published)
    own = price.own
    # That of a day is its mean, which is better known than its end: the band is wide enough.
    scale = own.window_price / own.price if is_day else 1.0
    return window | {
        "price": own.price * scale,
        "band_low": own.band_low * scale,
        "band_high": own.band_high * scale,
        "confidence": own.confidence,
        "is_valid": own.objection is None,
        "invalid_reason": own.objection,
        "window_price": own.window_price,
        "published_price": price.published.price if price.published else None,
        "lock_margin": own.lock_margin,
        "rival_factor": own.rival_factor,
        "signal": own.signal,
        "roundness": own.roundness,
        "point_count": own.point_count,
        "spread_percent": own.spread_percent,
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

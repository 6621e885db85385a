"""`utxoracle estimate`: a price from the node's blocks, without a database."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from app.commands.failure import FailedError
from app.config import load as configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime


@click.command()
@click.option("--recent", is_flag=True, help="From the newest blocks.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="From the blocks of a UTC day.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with figures to the last bit.")
@click.pass_obj
def estimate(environ: dict[str, str], *, recent: bool, day: datetime | None, as_json: bool) -> None:
    """Estimate the price of bitcoin from the blocks of the node in the settings; nothing is stored."""
    from app.adapters.bitcoind import block_source  # noqa: PLC0415 - as in app.commands
    from app.domain.price.estimate import NotEnoughDataError  # noqa: PLC0415
    from app.services.block_source import OnchainPriceError  # noqa: PLC0415
    from app.services.onchain_price import estimate_day, estimate_recent  # noqa: PLC0415

    if recent == (day is not None):
        raise click.UsageError("Say either --recent or --day YYYY-MM-DD.")
    settings = configuration.load_or_exit(environ, without={"JWT_SECRET_KEY"})
    source = block_source(
        settings.bitcoin_rpc_url,
        settings.bitcoin_rpc_cookie_file,
        settings.bitcoin_rpc_user,
        settings.bitcoin_rpc_password,
    )
    try:
        with _progress() as progress:
            price = (
                estimate_day(source, settings.bitcoin_network, day.date(), progress=progress)
                if day is not None
                else estimate_recent(
                    source,
                    settings.bitcoin_network,
                    window_blocks=settings.onchain_window_blocks,
                    min_confirmations=settings.onchain_min_confirmations,
                    progress=progress,
                )
            )
    except (OnchainPriceError, NotEnoughDataError) as error:
        raise FailedError(str(error)) from error
    figures = asdict(price)
    if as_json:
        click.echo(json.dumps(figures))
        return
    click.echo("\n".join(f"{name:<14} {figure}" for name, figure in figures.items()))


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

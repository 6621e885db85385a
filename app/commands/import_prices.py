"""`utxoracle import`: what others recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.commands.failure import FailedError
from app.config import load as configuration

if TYPE_CHECKING:
    from app.adapters.price_file import Format
    from app.config.declaration import Settings
    from app.services.price_import import Checked, Counts, PriceFile, PriceImport


@click.group("import")
def import_() -> None:
    """Take over what others recorded."""


@import_.command("prices")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--format", "how", type=click.Choice(["csv", "jsonl"]), help="Default: by the ending of FILE.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--skip-bad", is_flag=True, help="Import the good lines although there are bad ones.")
@click.option("--replace", is_flag=True, help="Replace imported rows that differ; else they are left as they are.")
@click.pass_obj
def import_prices(  # noqa: PLR0913 - an argument for each option
    environ: dict[str, str], file: Path, *, how: Format | None, dry_run: bool, skip_bad: bool, replace: bool
) -> None:
    """Import prices from FILE: CSV with a header, or a JSON object a line (.jsonl).

    Each line has a timestamp (a time with its offset, seconds since 1970, or a UTC day, also as `date`) and
    utxoracle_price, exchange_price or both, in USD per BTC; and if you like confidence, block_height and is_valid.
    Every line is checked before anything is written. Doing it again changes nothing.
    """
    from app.adapters.database.engine import open_database  # noqa: PLC0415 - as in app.commands
    from app.adapters.database.imported_prices import DatabaseImportedPrices  # noqa: PLC0415
    from app.adapters.doorbell import UnixDoorbell  # noqa: PLC0415
    from app.services.storage import StorageError  # noqa: PLC0415

    settings = configuration.load_or_exit(environ)
    directories = configuration.Directories.of(environ)
    work = _import(settings, _opened(file, how))
    _judge(work.check(), skip_bad=skip_bad)
    try:
        with open_database(configuration.database_url(settings, directories)) as database:
            prices = DatabaseImportedPrices(database, UnixDoorbell(directories.doorbell).ring)
            counts = work.compare(prices) if dry_run else work.write(prices, replace=replace)
    except StorageError as error:
        raise FailedError(f"{error}; what was imported before stays, and doing it again goes on from there") from error
    click.echo(_about(counts, dry_run=dry_run, replace=replace))


def _opened(file: Path, how: Format | None) -> PriceFile:
    from app.adapters.price_file import PriceFileError, TextPriceFile  # noqa: PLC0415

    endings: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl"}
    how = how or endings.get(file.suffix.lower())
    if how is None:
        raise FailedError(f"{file.name} ends neither in .csv nor in .jsonl; say which it is with --format")
    try:
        return TextPriceFile(file, how)
    except PriceFileError as error:
        raise FailedError(str(error)) from error


def _import(settings: Settings, file: PriceFile) -> PriceImport:
    from app.services.judgement import Limits  # noqa: PLC0415
    from app.services.price_import import PriceImport  # noqa: PLC0415

    max_age = timedelta(seconds=settings.price_max_age_seconds)
    return PriceImport(
        file,
        Limits(settings.min_price_usd, settings.max_price_usd, settings.confidence_threshold, max_age),
        datetime.now(UTC),
    )


def _judge(checked: Checked, *, skip_bad: bool) -> None:
    """Tell what is wrong with the file; raise FailedError when nothing is to be imported for it."""
    if checked.bad:
        told = "\n".join(checked.problems)
        more = checked.bad - len(checked.problems)
        told += f"\nand {more} more" if more else ""
        if not skip_bad:
            raise FailedError(
                f"{checked.bad} bad lines; nothing was imported:\n{told}\n"
                "Correct them, or import the others with --skip-bad."
            )
        click.echo(f"{told}\n{checked.bad} bad lines are passed over", err=True)
    if not checked.good:
        raise FailedError("there is no line to import")


def _about(counts: Counts, *, dry_run: bool, replace: bool) -> str:
    fate = "replaced" if replace else "left as they are (--replace replaces them)"
    if dry_run:
        return (
            f"a dry run, nothing was written: {counts.new} rows are new, {counts.same} are there already, "
            f"{counts.differing} differ and would be {fate}"
        )
    return f"{counts.new} rows imported; {counts.same} were there already, {counts.differing} differ and were {fate}"

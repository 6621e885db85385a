"""`utxoracle labels`: which addresses belong to whom."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.commands.database import opened_database
from app.commands.failure import FailedError
from app.config import load as configuration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.adapters.database.labels import DatabaseLabels
    from app.services.price_import import Checked
    from app.services.whales.labelling import Counts


@click.group()
def labels() -> None:
    """Look after the known addresses, by which whales flow into exchanges and out of them."""


@labels.command("import")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--source", metavar="NAME", help="Who says so, for lines without a column `source`.")
@click.option("--url", help="Where that can be read, likewise.")
@click.option("--asserted", metavar="DATE", help="When it was said, likewise: a UTC day, or a time with its offset.")
@click.option("--shipped", is_flag=True, help="Import the addresses that come with this release, in place of FILE.")
@click.pass_obj
def labels_import(  # noqa: PLR0913 - an argument for each option
    environ: dict[str, str],
    file: Path | None,
    *,
    source: str | None,
    url: str | None,
    asserted: str | None,
    shipped: bool,
) -> None:
    """Import labels from FILE, CSV with a header that names address, name and category.

    The category `exchange` is what flows are told by. Columns may also be source, source_url and asserted_at; a line
    with a source of its own takes nothing from the options. Every line is checked before anything is written, and
    nothing is when one is bad. What the same source said before of an address is replaced.
    """
    from app.adapters.label_file import SHIPPED, CsvLabelFile, LabelFileError  # noqa: PLC0415 - as in app.commands
    from app.services.whales.label_lines import Context  # noqa: PLC0415
    from app.services.whales.labelling import FileChangedError, LabelImport  # noqa: PLC0415

    if shipped == (file is not None):
        raise FailedError("give a FILE, or --shipped for the addresses that come with this release")
    network = configuration.load_or_exit(environ).bitcoin_network
    if shipped and network != "main":
        raise FailedError(f"the addresses that come with this release are of the main network, and this is {network}")
    context = Context(network, datetime.now(UTC), source, url, asserted)
    work = LabelImport(CsvLabelFile(file or SHIPPED), context)
    try:
        _judge(work.check())
        with _table(environ) as table:
            counts = work.write(table)
    except (LabelFileError, FileChangedError) as error:
        raise FailedError(str(error)) from error
    click.echo(_about(counts))


@labels.command("count")
@click.pass_obj
def labels_count(environ: dict[str, str]) -> None:
    """Print a line for each source and category: both, how many addresses, and when the source last said so."""
    with _table(environ) as table:
        for each in table.sources():
            asserted = each.asserted_at.date().isoformat() if each.asserted_at else "-"
            click.echo(f"{each.source}\t{each.category}\t{each.addresses}\t{asserted}")


@labels.command("list")
@click.option("--source", metavar="NAME", help="Only what this one says.")
@click.pass_obj
def labels_list(environ: dict[str, str], source: str | None) -> None:
    """Print a line for each label: address, name, category, source, when it was said, and where that can be read."""
    with _table(environ) as table:
        if source is not None and all(each.source != source for each in table.sources()):
            raise _nobody(source)
        for label in table.every(source):
            asserted = label.asserted_at.date().isoformat() if label.asserted_at else "-"
            said = (label.address, label.name, label.category, label.source, asserted, label.source_url or "-")
            click.echo("\t".join(said))


@labels.command("remove")
@click.option("--source", metavar="NAME", required=True, help="Whose labels.")
@click.pass_obj
def labels_remove(environ: dict[str, str], source: str) -> None:
    """Forget what a source said."""
    with _table(environ) as table:
        removed = table.remove(source)
        if not removed:
            raise _nobody(source)
    click.echo(f"labels removed: {removed}")


def _nobody(source: str) -> FailedError:
    return FailedError(f"nobody called {source!r} said anything; `utxoracle labels count` prints who did")


@contextmanager
def _table(environ: dict[str, str]) -> Iterator[DatabaseLabels]:
    from app.adapters.database.labels import DatabaseLabels  # noqa: PLC0415

    network = configuration.load_or_exit(environ).bitcoin_network
    with opened_database(environ) as database:
        yield DatabaseLabels(database, network)


def _judge(checked: Checked) -> None:
    """Raise FailedError when nothing is to be imported of the file."""
    if checked.bad:
        told = "\n".join(checked.problems)
        more = checked.bad - len(checked.problems)
        told += f"\nand {more} more" if more else ""
        raise FailedError(f"bad lines: {checked.bad}; nothing was imported:\n{told}")
    if not checked.good:
        raise FailedError("there is no line to import")


def _about(counts: Counts) -> str:
    return f"new labels: {counts.new}; changed: {counts.changed}; there already: {counts.same}"

"""`utxoracle db`, and the database for other commands."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from app.commands.failure import FailedError
from app.config import load as configuration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.adapters.database.engine import Database


@contextmanager
def opened_database(environ: dict[str, str], *, create: bool = False) -> Iterator[Database]:
    """Give the database of the settings; a failure of it ends the command with a sentence."""
    from app.adapters.database.engine import open_database  # noqa: PLC0415 - as in app.commands
    from app.services.storage import StorageError  # noqa: PLC0415

    settings = configuration.load_or_exit(environ)
    url = configuration.database_url(settings, configuration.Directories.of(environ))
    try:
        with open_database(url, create=create) as database:
            yield database
    except StorageError as error:
        raise FailedError(str(error)) from error


@click.group()
def db() -> None:
    """Look after the database's schema."""


@db.command("upgrade")
@click.option("--revision", default="head", show_default=True, help="How far; head is what this release needs.")
@click.pass_obj
def db_upgrade(environ: dict[str, str], revision: str) -> None:
    """Move the schema up, all of the way or not at all; make the SQLite file when there is none."""
    from app.adapters.database import migration  # noqa: PLC0415

    with opened_database(environ, create=True) as database:
        before, after = migration.upgrade(database, revision)
    click.echo(f"already at {after}" if before == after else f"upgraded from {before or 'nothing'} to {after}")


@db.command("downgrade")
@click.option("--revision", required=True, help="How far; base takes every table away.")
@click.confirmation_option(prompt="What only later tables and columns hold is lost. Go on?")
@click.pass_obj
def db_downgrade(environ: dict[str, str], revision: str) -> None:
    """Move the schema down, all of the way or not at all."""
    from app.adapters.database import migration  # noqa: PLC0415

    with opened_database(environ) as database:
        before, after = migration.downgrade(database, revision)
    click.echo(f"downgraded from {before or 'nothing'} to {after or 'nothing'}")


@db.command("check")
@click.pass_obj
def db_check(environ: dict[str, str]) -> None:
    """Compare the schema with what this release needs; leave with 2 and the reasons if it will not do."""
    from app.adapters.database import migration  # noqa: PLC0415

    with opened_database(environ) as database:
        status = database.schema()
        problems = [*status.problems, *(migration.differences(database) if status.is_at_head else [])]
    if problems:
        raise FailedError("\n".join(problems))
    click.echo(
        f"The schema is at {status.current}, which is newer than this release and has all it needs."
        if status.is_newer
        else f"The schema is at {status.current}, as this release needs it."
    )

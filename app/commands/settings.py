"""`utxoracle config`."""

from __future__ import annotations

import click

from app.config import load as configuration


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command("check")
@click.pass_obj
def config_check(environ: dict[str, str]) -> None:
    """Check every setting; print all problems and leave with 78 if there are any."""
    configuration.load_or_exit(environ)
    click.echo("The settings are complete and well-formed.")

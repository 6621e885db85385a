"""How a command says that it could not do what it was asked."""

from __future__ import annotations

import click

from app.config import load as configuration


class FailedError(click.ClickException):
    """A command could not do what it was asked; click prints the sentence and leaves with 2."""

    exit_code = configuration.EXIT_FAILED

"""`utxoracle`, the operators' command."""

from __future__ import annotations

import sys

import click

from app.commands.backfill import backfill
from app.commands.database import db
from app.commands.estimate import estimate
from app.commands.import_prices import import_
from app.commands.labels import labels
from app.commands.scores import scores
from app.commands.service_user import environ_as_service_user
from app.commands.settings import config
from app.commands.users import users
from app.commands.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(context: click.Context) -> None:
    """Look after the appliance: its settings, database, accounts, prices, labels and scores."""
    context.obj = environ_as_service_user()


for _each in (backfill, config, db, estimate, import_, labels, scores, users, verify):
    main.add_command(_each)


if __name__ == "__main__":
    sys.exit(main(prog_name="utxoracle"))

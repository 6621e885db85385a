"""`utxoracle`, the operators' command."""

from __future__ import annotations

import os
import pwd
import sys

import click

from app.config import load as configuration


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(context: click.Context) -> None:
    """Look after the appliance: its settings, database, accounts and prices."""
    context.obj = _environ_as_service_user()


def _environ_as_service_user() -> dict[str, str]:
    """Return the environment for the settings, after giving up root for good.

    A file that root makes in the state directory would lock the services out. The settings file is readable by
    root alone, so its content is taken along first.
    """
    environ = dict(os.environ)
    user = environ.get("UTXORACLE_USER")
    if os.geteuid() != 0 or not user:
        return environ
    file = configuration.settings_file(environ)
    if file is not None:
        environ[configuration.CONTENT_KEY] = file.read_text(encoding="utf-8")
    account = pwd.getpwnam(user)
    os.initgroups(user, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    return environ


@main.group()
def config() -> None:
    """Look at the settings."""


@config.command("check")
@click.pass_obj
def config_check(environ: dict[str, str]) -> None:
    """Check every setting; print all problems and leave with 78 if there are any."""
    configuration.load_or_exit(environ)
    click.echo("The settings are complete and well-formed.")


if __name__ == "__main__":
    sys.exit(main())

"""`utxoracle`, the operators' command."""

from __future__ import annotations

import json
import os
import pwd
import sys
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from app.cli_verify import verify
from app.config import load as configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from app.adapters.database.engine import Database
    from app.services.accounts import Role

# Commands import what they need themselves, so that each starts as fast as it can: noqa PLC0415 throughout.


class FailedError(click.ClickException):
    """A command could not do what it was asked; click prints the sentence and leaves with 2."""

    exit_code = configuration.EXIT_FAILED


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


main.add_command(verify)


@main.group()
def config() -> None:
    """Look at the settings."""


@config.command("check")
@click.pass_obj
def config_check(environ: dict[str, str]) -> None:
    """Check every setting; print all problems and leave with 78 if there are any."""
    configuration.load_or_exit(environ)
    click.echo("The settings are complete and well-formed.")


@contextmanager
def _database(environ: dict[str, str], *, create: bool = False) -> Iterator[Database]:
    """Give the database of the settings; a failure of it ends the command with a sentence."""
    from app.adapters.database.engine import open_database  # noqa: PLC0415
    from app.services.storage import StorageError  # noqa: PLC0415

    settings = configuration.load_or_exit(environ)
    url = configuration.database_url(settings, configuration.Directories.of(environ))
    try:
        with open_database(url, create=create) as database:
            yield database
    except StorageError as error:
        raise FailedError(str(error)) from error


@main.group()
def db() -> None:
    """Look after the database's schema."""


@db.command("upgrade")
@click.option("--revision", default="head", show_default=True, help="How far; head is what this release needs.")
@click.pass_obj
def db_upgrade(environ: dict[str, str], revision: str) -> None:
    """Move the schema up, all of the way or not at all; make the SQLite file when there is none."""
    from app.adapters.database import migration  # noqa: PLC0415

    with _database(environ, create=True) as database:
        before, after = migration.upgrade(database, revision)
    click.echo(f"already at {after}" if before == after else f"upgraded from {before or 'nothing'} to {after}")


@db.command("downgrade")
@click.option("--revision", required=True, help="How far; base takes every table away.")
@click.confirmation_option(prompt="What only later tables and columns hold is lost. Go on?")
@click.pass_obj
def db_downgrade(environ: dict[str, str], revision: str) -> None:
    """Move the schema down, all of the way or not at all."""
    from app.adapters.database import migration  # noqa: PLC0415

    with _database(environ) as database:
        before, after = migration.downgrade(database, revision)
    click.echo(f"downgraded from {before or 'nothing'} to {after or 'nothing'}")


@db.command("check")
@click.pass_obj
def db_check(environ: dict[str, str]) -> None:
    """Compare the schema with what this release needs; leave with 2 and the reasons if it will not do."""
    from app.adapters.database import migration  # noqa: PLC0415

    with _database(environ) as database:
        status = database.schema()
        problems = [*status.problems, *(migration.differences(database) if status.is_at_head else [])]
    if problems:
        raise FailedError("\n".join(problems))
    click.echo(
        f"The schema is at {status.current}, which is newer than this release and has all it needs."
        if status.is_newer
        else f"The schema is at {status.current}, as this release needs it."
    )


@main.group()
def users() -> None:
    """Look after the accounts that may sign in."""


_password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, as in `… --password-stdin < FILE`."
)


@users.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "operator", "admin"]), required=True)
@click.option("--if-absent", is_flag=True, help="Leave an account of that name as it is.")
@_password_stdin
@click.pass_obj
def users_create(environ: dict[str, str], name: str, role: Role, *, if_absent: bool, password_stdin: bool) -> None:
    """Add the account NAME."""
    from app.adapters.database.accounts import DatabaseAccounts  # noqa: PLC0415
    from app.services.account_rules import username_problem  # noqa: PLC0415
    from app.services.accounts import UsernameTakenError  # noqa: PLC0415

    with _database(environ) as database:
        accounts = DatabaseAccounts(database)
        if if_absent and accounts.find(name) is not None:
            click.echo(f"{name} is there already; nothing changed")
            return
        if problem := username_problem(name):
            raise FailedError(problem)
        try:
            accounts.create(name, _password_hash(from_stdin=password_stdin), role)
        except UsernameTakenError as error:
            raise FailedError(f"{error}; nothing changed") from error
    click.echo(f"created {name}, {role}")


@users.command("list")
@click.pass_obj
def users_list(environ: dict[str, str]) -> None:
    """Print a line for each account: name, role, and whether it may sign in."""
    from app.adapters.database.accounts import DatabaseAccounts  # noqa: PLC0415

    with _database(environ) as database:
        for account in DatabaseAccounts(database).every():
            click.echo(f"{account.username}\t{account.role}\t{'active' if account.is_active else 'disabled'}")


@users.command("password")
@click.argument("name")
@_password_stdin
@click.pass_obj
def users_password(environ: dict[str, str], name: str, *, password_stdin: bool) -> None:
    """Change the password of NAME."""
    from app.adapters.database.accounts import DatabaseAccounts  # noqa: PLC0415

    with _database(environ) as database:
        accounts = DatabaseAccounts(database)
        known = accounts.find(name) is not None
        if not known or not accounts.set_password(name, _password_hash(from_stdin=password_stdin)):
            raise _unknown(name)
    click.echo(f"changed the password of {name}")


@users.command("disable")
@click.argument("name")
@click.pass_obj
def users_disable(environ: dict[str, str], name: str) -> None:
    """Keep NAME from signing in."""
    _set_active(environ, name, is_active=False)
    click.echo(f"{name} can no longer sign in")


@users.command("enable")
@click.argument("name")
@click.pass_obj
def users_enable(environ: dict[str, str], name: str) -> None:
    """Let NAME sign in again."""
    _set_active(environ, name, is_active=True)
    click.echo(f"{name} can sign in")


def _set_active(environ: dict[str, str], name: str, *, is_active: bool) -> None:
    from app.adapters.database.accounts import DatabaseAccounts  # noqa: PLC0415

    with _database(environ) as database:
        if not DatabaseAccounts(database).set_active(name, is_active=is_active):
            raise _unknown(name)


def _unknown(name: str) -> FailedError:
    return FailedError(f"there is no account {name!r}; `utxoracle users list` prints those there are")


def _password_hash(*, from_stdin: bool) -> str:
    """Return the hash of a password that was asked for, or read up to the line break that ends it."""
    from werkzeug.security import generate_password_hash  # noqa: PLC0415

    from app.services.account_rules import password_problem  # noqa: PLC0415

    if from_stdin:
        try:
            password = sys.stdin.read().removesuffix("\n")
        except UnicodeDecodeError as error:
            raise FailedError("The password on standard input is not UTF-8 text.") from error
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        raise FailedError("There is no terminal to ask for the password; give it with --password-stdin < FILE.")
    if problem := password_problem(password):
        raise FailedError(problem)
    return generate_password_hash(password)


@main.command()
@click.option("--recent", is_flag=True, help="From the newest blocks.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="From the blocks of a UTC day.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with figures to the last bit.")
@click.pass_obj
def estimate(environ: dict[str, str], *, recent: bool, day: datetime | None, as_json: bool) -> None:
    """Estimate the price of bitcoin from the blocks of the node in the settings; nothing is stored."""
    from app.adapters.bitcoind import block_source  # noqa: PLC0415
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


if __name__ == "__main__":
    sys.exit(main(prog_name="utxoracle"))

"""`utxoracle users`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from app.commands.database import opened_database
from app.commands.failure import FailedError

if TYPE_CHECKING:
    from app.services.accounts import Role


@click.group()
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
    from app.adapters.database.accounts import DatabaseAccounts  # noqa: PLC0415 - as in app.commands
    from app.services.account_rules import username_problem  # noqa: PLC0415
    from app.services.accounts import UsernameTakenError  # noqa: PLC0415

    with opened_database(environ) as database:
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

    with opened_database(environ) as database:
        for account in DatabaseAccounts(database).every():
            click.echo(f"{account.username}\t{account.role}\t{'active' if account.is_active else 'disabled'}")


@users.command("password")
@click.argument("name")
@_password_stdin
@click.pass_obj
def users_password(environ: dict[str, str], name: str, *, password_stdin: bool) -> None:
    """Change the password of NAME."""
    from app.adapters.database.accounts import DatabaseAccounts  # noqa: PLC0415

    with opened_database(environ) as database:
        accounts = DatabaseAccounts(database)
        known = accounts.find(name) is not None
        if not known or not accounts.set_password(name, _password_hash(from_stdin=password_stdin)):
            raise _unknown(name)
    click.echo(f"changed the password of {name}; its sessions have ended")


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

    with opened_database(environ) as database:
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

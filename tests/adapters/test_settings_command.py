"""`utxoracle config check`, and what every command does when root cannot become the services' user."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.config.load import EXIT_CONFIGURATION, EXIT_DONE

SECRET = "k" * 32
NOBODY = pwd.getpwnam("nobody")


class Root:
    """A process that is root, as far as the command can see, until it gives that up."""

    def __init__(self, file: Path) -> None:
        self.environ = {"UTXORACLE_USER": "nobody", "UTXORACLE_ENV_FILE": str(file), "JWT_SECRET_KEY": None}
        self.user = 0

    def become(self, user: int) -> None:
        self.user = user

    def run(self, *command: str) -> Result:
        return CliRunner(env=self.environ).invoke(main, command)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Root:
    root = Root(tmp_path / ".env")
    monkeypatch.setattr(os, "geteuid", lambda: root.user)
    monkeypatch.setattr(os, "initgroups", lambda *_: None)
    monkeypatch.setattr(os, "setgid", lambda _: None)
    monkeypatch.setattr(os, "setuid", root.become)
    return root


def commands(group: click.Group, *names: str) -> Iterator[list[str]]:
    """Yield the words of every command, with an argument for each that it must have."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
            continue
        words = [*names, name]
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                words.append("somebody")
            elif parameter.required and isinstance(parameter.type, click.Choice):
                words += [parameter.opts[0], parameter.type.choices[0]]
            elif parameter.required:
                words += [parameter.opts[0], "base"]
        yield [*words, *(["--recent"] if name == "estimate" else ["--yes"] if name == "downgrade" else [])]


def test_sound_settings_are_read_as_root_and_judged_as_the_services_user(root: Root) -> None:
    Path(str(root.environ["UTXORACLE_ENV_FILE"])).write_text(f'JWT_SECRET_KEY="{SECRET}"\n', encoding="utf-8")
    done = root.run("config", "check")
    assert (done.exit_code, done.output) == (EXIT_DONE, "The settings are complete and well-formed.\n")
    assert root.user == NOBODY.pw_uid


def test_a_missing_settings_file_is_a_sentence_and_not_a_traceback(root: Root) -> None:
    done = root.run("config", "check")
    assert done.exit_code == EXIT_CONFIGURATION
    assert "cannot be read: No such file or directory" in done.stderr
    assert isinstance(done.exception, SystemExit)
    assert root.user == NOBODY.pw_uid


def test_a_missing_user_is_a_sentence_and_not_a_traceback(root: Root) -> None:
    root.environ["UTXORACLE_USER"] = "no-such-user"
    done = root.run("config", "check")
    assert done.exit_code == EXIT_CONFIGURATION
    assert "UTXORACLE_USER is 'no-such-user'" in done.stderr
    assert "there is no such user" in done.stderr


def test_a_user_that_root_cannot_become_is_a_sentence(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setuid", refuse)
    done = root.run("config", "check")
    assert done.exit_code == EXIT_CONFIGURATION
    assert "cannot become that user: Operation not permitted" in done.stderr


@pytest.mark.parametrize("user", ["nobody", "no-such-user"])
def test_verify_tells_of_missing_settings_as_a_finding(root: Root, user: str) -> None:
    root.environ["UTXORACLE_USER"] = user
    done = root.run("verify", "--json")
    report = json.loads(done.stdout)
    assert (done.exit_code, report["ok"]) == (EXIT_CONFIGURATION, False)
    assert [(check["name"], check["status"]) for check in report["checks"]] == [("settings", "failed")]


@pytest.mark.parametrize("words", list(commands(main)), ids=" ".join)
def test_no_command_goes_on_as_root_without_the_services_user(root: Root, words: list[str]) -> None:
    root.environ |= {"UTXORACLE_USER": "no-such-user", "JWT_SECRET_KEY": SECRET}
    assert root.run(*words).exit_code == EXIT_CONFIGURATION

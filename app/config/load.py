"""From an environment and a `.env` file to `Settings`, or to one message with every problem."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from app.config import env_file
from app.config.contradictions import contradictions
from app.config.declaration import Settings, declarations
from app.config.setting import PLACEHOLDER_PREFIX, Declaration

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

EXIT_DONE, EXIT_CRASH, EXIT_FAILED, EXIT_CONFIGURATION = 0, 1, 2, 78


class ConfigurationError(Exception):
    """Settings that cannot be used; `problems` has one sentence for each that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(
            f"{len(problems)} problem(s) in the settings; nothing was started:\n"
            + "\n".join(f"  - {problem}" for problem in problems)
        )
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Directories:
    """Where the appliance keeps things; systemd names them, the defaults are those of a deployed host."""

    state: Path
    run: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Directories:
        """Return the directories that systemd, or the wrapper on the host's PATH, put into `environ`."""
        return cls(
            state=Path(environ.get("STATE_DIRECTORY", "/var/lib/utxoracle")),
            run=Path(environ.get("RUNTIME_DIRECTORY", "/run/utxoracle")),
        )

    @property
    def doorbell(self) -> Path:
        """Where those who follow the event log have their sockets."""
        return self.run / "doorbell"


def load(environ: Mapping[str, str], without: Collection[str] = ()) -> Settings:
    """Return the settings of `environ`, over those of the `.env` file that it names or implies.

    Args:
        environ: Environment of the process; a key of ours in it wins over the file.
        without: Required keys that the caller has no use for, and that may therefore be missing.

    Raises:
        ConfigurationError: Anything is malformed, missing, repeated, unknown or left at its placeholder.
    """
    known = dict(declarations())
    file = env_file.read(environ, known)
    problems: list[str] = []
    values: dict[str, object] = {}
    for key, declared in known.items():
        if key in file.untold and key not in environ:
            continue
        try:
            text = environ.get(key, file.texts.get(key, declared.default))
            values[key.lower()] = "" if text is None and key in without else _value(declared, text)
        except ValueError as error:
            problems.append(f"{key} {error}")
    problems = [*file.problems, *sorted(problems + contradictions(values))]
    if problems:
        raise ConfigurationError(problems)
    return Settings(**values)  # type: ignore[arg-type] # each was parsed by its own kind


def load_or_exit(environ: Mapping[str, str], without: Collection[str] = ()) -> Settings:
    """Return the settings, as `load` does; without usable ones print every problem and leave with 78 (EX_CONFIG).

    It is the code after which systemd does not restart a service.
    """
    try:
        return load(environ, without)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(EXIT_CONFIGURATION) from error


def database_url(settings: Settings, directories: Directories) -> str:
    """Return the SQLAlchemy URL of the database, whichever way it was given."""
    if settings.database_url:
        return settings.database_url
    # What a URL reads as something else may stand in a path.
    return f"sqlite:///{quote(str(settings.database_path or directories.state / 'utxoracle.db'))}"


def _value(declared: Declaration, text: str | None) -> object:
    if text is None:
        raise ValueError(f"is not set; expected {declared.kind.expects}")
    if declared.secret and text.startswith(PLACEHOLDER_PREFIX):
        raise ValueError("still has the placeholder of .env.example; put a value of your own")
    return declared.kind.read(text)

"""From an environment and a `.env` file to `Settings`, or to one message with every problem."""

from __future__ import annotations

import difflib
import os
import sys
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

from dotenv import dotenv_values

from app.config.declaration import PLACEHOLDER_PREFIX, Declaration, Settings, declarations

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

EXIT_DONE, EXIT_CRASH, EXIT_FAILED, EXIT_CONFIGURATION = 0, 1, 2, 78

# Where systemd puts the file for a service (LoadCredential=), and where an operator finds it.
CREDENTIAL_NAME = "env"
DEFAULT_FILE = Path("/etc/utxoracle/.env")

# The content of the file instead of its name, for a command that read it as root and is root no longer.
CONTENT_KEY = "UTXORACLE_ENV_CONTENT"


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


def settings_file(environ: Mapping[str, str]) -> Path | None:
    """Return the `.env` file that applies: a named one, systemd's credential or the host's; None without any."""
    if named := environ.get("UTXORACLE_ENV_FILE"):
        return Path(named)
    if credentials := environ.get("CREDENTIALS_DIRECTORY"):
        return Path(credentials) / CREDENTIAL_NAME
    return DEFAULT_FILE if os.access(DEFAULT_FILE, os.R_OK) else None


def load(environ: Mapping[str, str], without: Collection[str] = ()) -> Settings:
    """Return the settings of `environ`, over those of the `.env` file that it names or implies.

    Args:
        environ: Environment of the process; a key of ours in it wins over the file.
        without: Required keys that the caller has no use for, and that may therefore be missing.

    Raises:
        ConfigurationError: Anything is malformed, missing, unknown or left at its placeholder.
    """
    problems: list[str] = []
    texts = dotenv_values(stream=StringIO(_file_content(environ, problems)), interpolate=False)
    known = dict(declarations())
    problems += [f"{key} is not a setting of ours{_nearest(key, known)}" for key in texts.keys() - known.keys()]
    values: dict[str, object] = {}
    for key, declared in known.items():
        try:
            text = environ.get(key, texts.get(key, declared.default))
            values[key.lower()] = "" if text is None and key in without else _value(declared, text)
        except ValueError as error:
            problems.append(f"{key} {error}")
    if not problems:
        settings = Settings(**values)  # type: ignore[arg-type] # each was parsed by its own kind
        problems += _contradictions(settings)
    if problems:
        raise ConfigurationError(sorted(problems))
    return settings


def load_or_exit(environ: Mapping[str, str], without: Collection[str] = ()) -> Settings:
    """Return the settings, as `load` does; without usable ones print every problem and leave with 78 (EX_CONFIG)."""
    try:
        return load(environ, without)
    except ConfigurationError as error:
        exit_for_configuration(str(error))


def exit_for_configuration(message: str) -> NoReturn:
    """Say what is wrong with the settings and leave with 78, which systemd does not restart."""
    sys.stderr.write(f"{message}\n")
    raise SystemExit(EXIT_CONFIGURATION)


def database_url(settings: Settings, directories: Directories) -> str:
    """Return the SQLAlchemy URL of the database, whichever way it was given."""
    if settings.database_url:
        return settings.database_url
    # What a URL reads as something else may stand in a path.
    return f"sqlite:///{quote(str(settings.database_path or directories.state / 'utxoracle.db'))}"


def _file_content(environ: Mapping[str, str], problems: list[str]) -> str:
    if CONTENT_KEY in environ:
        return environ[CONTENT_KEY]
    file = settings_file(environ)
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{file} cannot be read: {error}; name a readable file in UTXORACLE_ENV_FILE")
        return ""


def _value(declared: Declaration, text: str | None) -> object:
    if text is None:
        raise ValueError(f"is not set; expected {declared.kind.expects}")
    if declared.secret and text.startswith(PLACEHOLDER_PREFIX):
        raise ValueError("still has the placeholder of .env.example; put a value of your own")
    return declared.kind.read(text)


def _contradictions(settings: Settings) -> list[str]:
    problems = []
    if settings.min_price_usd >= settings.max_price_usd:
        problems.append("MIN_PRICE_USD is not below MAX_PRICE_USD")
    if settings.accuracy_critical > settings.accuracy_warning:
        problems.append("ACCURACY_CRITICAL is above ACCURACY_WARNING")
    if settings.bitcoin_rpc_cookie_file and settings.bitcoin_rpc_user:
        problems.append("BITCOIN_RPC_COOKIE_FILE and BITCOIN_RPC_USER are both set; keep one")
    if bool(settings.bitcoin_rpc_user) != bool(settings.bitcoin_rpc_password):
        problems.append("BITCOIN_RPC_USER and BITCOIN_RPC_PASSWORD go together; one is missing")
    if settings.database_url and settings.database_path:
        problems.append("DATABASE_URL and DATABASE_PATH are both set; keep one")
    if (settings.api_host, settings.api_port) == (settings.websocket_host, settings.websocket_port):
        problems.append("API_PORT and WEBSOCKET_PORT are the same on one address")
    return problems


def _nearest(key: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "; take it out"

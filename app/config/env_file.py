"""The `.env` file: where it lies, and what each of its lines says."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv.parser import Binding, parse_stream

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# Where systemd puts the file for a service (LoadCredential=), and where an operator finds it.
CREDENTIAL_NAME = "env"
DEFAULT_FILE = Path("/etc/utxoracle/.env")

# Instead of the file's name, for a command that read it as root and is root no longer: its content, or why there is
# none.
CONTENT_KEY = "UTXORACLE_ENV_CONTENT"
PROBLEM_KEY = "UTXORACLE_ENV_PROBLEM"


@dataclass(slots=True)
class EnvFile:
    """What the file says.

    Attributes:
        texts: The text of each key.
        problems: A sentence for each line that cannot be used; none repeats a value.
        untold: Keys of which the file may say something that cannot be understood.
    """

    texts: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    untold: set[str] = field(default_factory=set)


def settings_file(environ: Mapping[str, str]) -> Path | None:
    """Return the `.env` file that applies: a named one, systemd's credential or the host's; None without any."""
    if named := environ.get("UTXORACLE_ENV_FILE"):
        return Path(named)
    if credentials := environ.get("CREDENTIALS_DIRECTORY"):
        return Path(credentials) / CREDENTIAL_NAME
    return DEFAULT_FILE if os.access(DEFAULT_FILE, os.R_OK) else None


def taken_along(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` with the content of the file, or why it cannot be read, instead of the file's name."""
    taken = dict(environ)
    file = settings_file(environ)
    if file is None or CONTENT_KEY in environ or PROBLEM_KEY in environ:
        return taken
    try:
        taken[CONTENT_KEY] = file.read_text(encoding="utf-8")
    except OSError as error:
        taken[PROBLEM_KEY] = f"{file} cannot be read: {error.strerror}; name a readable file in UTXORACLE_ENV_FILE"
    except UnicodeDecodeError:
        taken[PROBLEM_KEY] = f"{file} cannot be read: it is not UTF-8; name a text file in UTXORACLE_ENV_FILE"
    return taken


def read(environ: Mapping[str, str], known: Collection[str]) -> EnvFile:
    """Return what the file of `environ` says about the keys `known`."""
    taken = taken_along(environ)
    if PROBLEM_KEY in taken:
        return EnvFile(problems=[taken[PROBLEM_KEY]], untold=set(known))
    return _parsed(taken.get(CONTENT_KEY, ""), known)


def _parsed(content: str, known: Collection[str]) -> EnvFile:
    file = EnvFile()
    first_lines: dict[str, int] = {}
    # Line by line, so that a quote that is not closed swallows nothing: no value has more than one line.
    for number, line in enumerate(re.split(r"\r\n|\r|\n", content), 1):
        where = f"line {number} of the settings file"
        for binding in parse_stream(StringIO(line)):
            if binding.error or (binding.key is not None and binding.value is None):
                key = _key_of(line, known)
                file.untold |= {key} - {""}
                named = f" ({key})" if key else ""
                file.problems.append(f'{where}{named} is not of the form KEY="value"; is a quote not closed?')
            elif binding.key is not None:
                file.problems += _problems(where, binding, known, first_lines)
                first_lines.setdefault(binding.key, number)
                file.texts.setdefault(binding.key, binding.value or "")
    return file


def _problems(where: str, binding: Binding, known: Collection[str], first_lines: Mapping[str, int]) -> list[str]:
    key = binding.key or ""
    if key in first_lines and key in known:
        return [f"{where} sets {key} again, after line {first_lines[key]}; keep one"]
    if key in known:
        return []
    # What does not look like a key may be the rest of a secret that was broken into lines.
    shown = key if re.fullmatch(r"[A-Z][A-Z_]*", key) else "what it begins with"
    return [f"{where}: {shown} is not a setting of ours{_nearest(key.upper(), known)}"]


def _key_of(line: str, known: Collection[str]) -> str:
    """Return the key that a malformed line begins with; empty when it is none of ours."""
    found = re.match(r"\s*(?:export\s+)?(\w+)", line)
    return found[1] if found and found[1] in known else ""


def _nearest(key: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "; take it out"

"""Filters that judge the operator's variables before anything is done with them; they run on the controller."""

from __future__ import annotations

import difflib
import posixpath
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# How alike two names are, from 0 to 1.
CLOSE = 0.85
CLOSE_WITH_PREFIX = 0.75
PORT_MAX = 65_535
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to


@cache
def known_variables(roles: str) -> frozenset[str]:
    """Return every variable that the argument specs of the roles in the directory `roles` know."""
    known: set[str] = set()
    for specs in Path(roles).glob("*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(specs.read_text(encoding="utf-8"))["argument_specs"].values():
            known.update(entry.get("options", {}))
    return frozenset(known)


def unknown_variables(names: Iterable[str], roles: str) -> list[str]:
    """Return a sentence for each name that no role knows and that was meant to be one that a role knows."""
    return [
        f"{name} is not a variable of ours; did you mean {nearest}?"
        for name, nearest in _unknown(names, roles).items()
        if nearest
    ]


def foreign_variables(names: Iterable[str], roles: str) -> list[str]:
    """Return a sentence for each name that starts like a role's variables and is near none of them."""
    prefixes = _prefixes(roles)
    return [
        f"{name} starts like a variable of ours and is none; it is left alone, as somebody else's"
        for name, nearest in _unknown(names, roles).items()
        if not nearest and name.startswith(prefixes)
    ]


def _unknown(names: Iterable[str], roles: str) -> dict[str, str]:
    """Return each name that no role knows, with the known one that was probably meant, or nothing."""
    known, prefixes = known_variables(roles), _prefixes(roles)
    return {
        # With the prefix of a role it takes less to look like a slip.
        name: _nearest(name, known, CLOSE_WITH_PREFIX if name.startswith(prefixes) else CLOSE)
        for name in sorted(set(names) - known)
        if not name.startswith("ansible_")
    }


def _prefixes(roles: str) -> tuple[str, ...]:
    # From the roles there are, so that a role added later is covered from its first day.
    return tuple(f"{role.parent.parent.name}_" for role in Path(roles).glob("*/meta/argument_specs.yml"))


def _nearest(name: str, known: Iterable[str], cutoff: float) -> str:
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=cutoff)), "")


def settings_problems(values: Mapping[str, Any], checkout: str) -> list[str]:
    """Return a sentence for each value that the application's own declaration of settings would refuse.

    Args:
        values: By variable name (`settings_` and the key in lower case), as the inventory gives them.
        checkout: Directory in which `app/` lies; the declaration needs nothing but Python.
    """
    if checkout not in sys.path:
        sys.path.insert(0, checkout)
    from app.config.contradictions import contradictions  # noqa: PLC0415 - importable only from here on
    from app.config.declaration import declarations  # noqa: PLC0415 - likewise

    problems, parsed, keys = [], {}, set()
    for key, declared in declarations():
        name = f"settings_{key.lower()}"
        keys.add(key)
        text = _as_text(values.get(name, declared.default))
        if declared.generated and not text:
            continue
        try:
            parsed[key.lower()] = declared.kind.read(text)
        except ValueError as error:
            problems.append(f"{name} {error}")
    # The operator knows settings by the names of their variables.
    return [
        re.sub(
            r"\b[A-Z]+(_[A-Z]+)+\b",
            lambda found: f"settings_{found.group().lower()}" if found.group() in keys else found.group(),
            sentence,
        )
        for sentence in problems + contradictions(parsed)
    ]


def contradictions_of(together: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each thing in `__preflight_together` that would stop a later role."""
    return [*_shapes(together), *_database_places(together["database_file"]), *_proxy_problems(together)]


def _shapes(together: Mapping[str, Any]) -> Iterator[str]:
    prefix = together["host_prefix"]
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,20}", str(prefix)):
        yield f"host_prefix is {prefix}; give two to twenty-one small letters, digits or hyphens, a letter first"
    for name in ("host_groups", "units_allowed_addresses"):
        if not isinstance(together[name], list):
            yield f'{name} is {together[name]!r}; expected a list, such as ["one", "two"]'
    if together["named_upstreams"] and not together["units_allowed_addresses"]:
        names = ", ".join(together["named_upstreams"])
        yield (
            f"the services may talk to loopback only, and the settings name {names}; put addresses into the settings "
            "instead, or list those of the upstreams and of the name server in units_allowed_addresses"
        )


def _database_places(file: str) -> Iterator[str]:
    place = posixpath.normpath(file) if file else ""
    # Hidden, private or gone after a boot, as the units' sandbox has it.
    outside = ("/home/", "/root/", "/run/", "/var/run/", "/tmp/", "/var/tmp/")  # noqa: S108 - refused, not used
    if place and (posixpath.dirname(place) in {"/", "//"} or place.startswith(outside)):
        yield (
            f"the database {place} cannot be written by the services, whose sandbox leaves out /, /home, /root, /run "
            "and /tmp; set settings_database_path or settings_database_url to a file in a directory of its own, such "
            "as /srv/utxoracle/utxoracle.db, or to nothing"
        )


def _proxy_problems(together: Mapping[str, Any]) -> Iterator[str]:
    if bool(together["proxy_certificate_file"]) != bool(together["proxy_key_file"]):
        yield "set proxy_certificate_file and proxy_key_file together, or neither for a self-signed certificate"
    proxy = together["proxy"]
    if proxy and not 1 <= int(proxy["port"]) <= PORT_MAX:
        yield f"proxy_port is {proxy['port']}; expected a whole number from 1 to {PORT_MAX}"
    for other in together["ports"] if proxy else ():
        meet = proxy["host"] == other["host"] or {proxy["host"], other["host"]} & EVERYWHERE
        if int(proxy["port"]) == int(other["port"]) and meet:
            yield f"proxy_port and {other['name']} are both {other['port']}; change one of them"


def failed_probes(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence, once, for each way in which probes did not run; their results are Ansible's."""
    sentences = {}
    for result in results:
        if result.get("rc") == 0:
            continue
        (word,) = last_words([result])
        if result.get("stderr"):
            sentences[f"a probe could not run with python3 on this host: {word}"] = None
        else:
            sentences[
                f"python3 could not be used on this host ({word}); install python3, 3.11 or newer as Debian 12 has it, "
                "and set ansible_python_interpreter to /usr/bin/python3"
            ] = None
    return list(sentences)


def last_words(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the last line that each program said, or Ansible where none was started."""
    return [
        next(filter(None, (_last_line(result.get(key)) for key in ("stderr", "module_stderr", "msg"))), "no word of it")
        for result in results
    ]


def _last_line(text: object) -> str:
    """Return the last line that says something: of a traceback the cause, and none of what the program was given."""
    lines = [line.strip() for line in str(text or "").splitlines()]
    return next((line for line in reversed(lines) if line and not line.startswith("Shared connection to")), "")


def _as_text(value: object) -> str:
    """Return `value` as the settings file would have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filters by their names in templates."""
        return {
            "preflight_unknown_variables": unknown_variables,
            "preflight_foreign_variables": foreign_variables,
            "preflight_settings_problems": settings_problems,
            "preflight_contradictions": contradictions_of,
            "preflight_failed_probes": failed_probes,
            "preflight_last_words": last_words,
        }

"""Render every file that repeats the settings: `python -m app.config.render` writes, `--check` compares.

Works on a checkout: the files lie beside `app/`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from app.config.declaration import declarations
from app.config.setting import PLACEHOLDER_PREFIX, Declaration

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).resolve().parents[2]
_NOTICE = "Rendered from app/config/declaration.py by `make render`; change it there."
_WIDTH = 100


def env_example() -> str:
    """Return `.env.example`: every setting at its default, secrets at a placeholder that is refused."""
    lines = [
        f"# {_NOTICE}",
        "# Copy to a file named in UTXORACLE_ENV_FILE; on a host Ansible writes /etc/utxoracle/.env.",
    ]
    for key, declared in declarations():
        value = (
            f"{PLACEHOLDER_PREFIX}-{key.lower().replace('_', '-')}" if declared.default is None else declared.default
        )
        lines += ["", *(f"# {line}" for line in wrap(_sentence(declared), _WIDTH)), f'{key}="{value}"']
    return "\n".join(lines) + "\n"


def env_template() -> str:
    """Return the Jinja template of the `.env` that Ansible writes.

    `__settings_found` holds what the host keeps itself (made secrets, the node's own RPC user); it fills in for
    variables that the operator left empty.
    """
    lines = [
        "{# " + _NOTICE + " #}",
        "{% macro quoted(value) -%}",
        '"{{ value | string | replace("\\\\", "\\\\\\\\") | replace(\'"\', \'\\\\"\') }}"',
        "{%- endmacro %}",
        "# Managed by Ansible: change the inventory and deploy again.",
    ]
    for key, declared in declarations():
        variable = _variable(key)
        value = variable
        if not declared.default and declared.kind.ansible_type == "str":
            value = f"{variable} | default(__settings_found.{key.lower()} | default(''), true)"
        elif declared.kind.ansible_type == "bool":
            value = f"{variable} | string | lower"
        elif declared.kind.ansible_type == "list":
            # An INI inventory has no lists: there it is text with commas already.
            value = f"{variable} if {variable} is string else {variable} | join(',')"
        lines.append(f"{key}={{{{ quoted({value}) }}}}")
    return "\n".join(lines) + "\n"


def role_defaults() -> str:
    """Return the defaults of the Ansible role `settings`."""
    lines = ["---", f"# {_NOTICE}"]
    for key, declared in declarations():
        lines.append(f"{_variable(key)}: {_yaml_default(declared)}")
    return "\n".join(lines) + "\n"


def role_argument_specs() -> str:
    """Return the argument specs of the Ansible role `settings`."""
    lines = [
        "---",
        f"# {_NOTICE}",
        "argument_specs:",
        "  main:",
        "    short_description: Write the settings file of the appliance",
        "    description:",
        "      - Writes the settings file, checked by the application itself before it replaces the last one.",
        "      - Secrets that are left empty are made on the host and kept across deploys.",
        "    options:",
    ]
    for key, declared in declarations():
        lines += [
            f"      {_variable(key)}:",
            "        description: >-",
            *(f"          {line}" for line in wrap(_sentence(declared), _WIDTH)),
            f"        type: {declared.kind.ansible_type}",
            f"        default: {_yaml_default(declared)}",
        ]
        if declared.kind.ansible_type == "list":
            lines.append("        elements: str")
        if declared.kind.choices:
            lines += ["        choices:", *(f"          - {choice}" for choice in declared.kind.choices)]
    return "\n".join(lines) + "\n"


def documentation() -> str:
    """Return docs/CONFIGURATION.md."""
    lines = [
        "# Configuration",
        "",
        f"<!-- {_NOTICE} -->",
        "",
        "On a host every setting is an Ansible variable: `settings_` and the key in lower case, as in",
        "`settings_bitcoin_rpc_url`. A deploy writes them to `/etc/utxoracle/.env` (root, 0600), from where",
        "systemd hands them to the services; `utxoracle config check` looks at that file. In a checkout, set",
        "them in the environment or name a file in `UTXORACLE_ENV_FILE`; a variable of the environment wins",
        "over the file.",
        "",
        "A malformed setting or line, an unknown or repeated key, a placeholder left in place or settings that",
        "contradict each other stop a service before it opens a port: one message lists every problem, and the exit",
        "code is 78, after which systemd does not restart it.",
        "",
        "A setting that says *No effect before …* is checked and kept, but belongs to something that this release",
        "does not have yet.",
        "",
        "| setting | default | meaning | expects |",
        "| --- | --- | --- | --- |",
    ]
    for key, declared in declarations():
        default = "made on the host" if declared.generated else f"`{declared.default}`" if declared.default else "none"
        lines.append(f"| `{key}` | {default} | {declared.whole_meaning} | {declared.kind.expects} |")
    return "\n".join(lines) + "\n"


RENDERED: dict[str, Callable[[], str]] = {
    ".env.example": env_example,
    "templates/env/env.j2": env_template,
    "roles/settings/defaults/main.yml": role_defaults,
    "roles/settings/meta/argument_specs.yml": role_argument_specs,
    "docs/CONFIGURATION.md": documentation,
}


def outdated(checkout: Path = CHECKOUT) -> list[str]:
    """Return the names of rendered files that differ from the declaration."""
    return [
        name
        for name, text in RENDERED.items()
        if not (checkout / name).is_file() or (checkout / name).read_text(encoding="utf-8") != text()
    ]


def main() -> int:
    """Write the files, or with `--check` name those that differ and return 1."""
    stale = outdated()
    if "--check" in sys.argv[1:]:
        for name in stale:
            sys.stderr.write(f"{name} differs from app/config/declaration.py; run `make render`\n")
        return int(bool(stale))
    for name in stale:
        file = CHECKOUT / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(RENDERED[name](), encoding="utf-8")
        sys.stdout.write(f"rendered {name}\n")
    return 0


def _variable(key: str) -> str:
    return f"settings_{key.lower()}"


def _sentence(declared: Declaration) -> str:
    return f"{declared.whole_meaning} Expects {declared.kind.expects}."


def _yaml_default(declared: Declaration) -> str:
    default = declared.default or ""
    if declared.kind.ansible_type == "list":
        return json.dumps([part for part in default.split(",") if part])
    if declared.kind.ansible_type in {"int", "bool"}:
        return default
    return json.dumps(default)


if __name__ == "__main__":
    sys.exit(main())

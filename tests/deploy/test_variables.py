"""Variables of the roles: documented, with one default, and misspelt ones refused with the nearest known name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.config.declaration import declarations
from tests.deploy.program import CHECKOUT, ROLES, program
from tests.deploy.variables import worked_out

preflight = program("preflight/filter_plugins/preflight.py")
NAMES = sorted(role.name for role in ROLES.iterdir() if role.is_dir())


def _yaml(path: str) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load((ROLES / path).read_text(encoding="utf-8"))


def _options(role: str) -> dict[str, Any]:
    options: dict[str, Any] = _yaml(f"{role}/meta/argument_specs.yml")["argument_specs"]["main"].get("options", {})
    return options


def _followed(value: object) -> object:
    """Return `value`, or the default of the variable that it follows."""
    if isinstance(value, str) and (other := re.fullmatch(r"\{\{ ([a-z]+)(_\w+) \}\}", value)):
        return _yaml(f"{other[1]}/defaults/main.yml")[other[1] + other[2]]
    return value


@pytest.mark.parametrize("role", NAMES)
def test_the_argument_specs_name_every_default_with_its_value(role: str) -> None:
    file = ROLES / role / "defaults/main.yml"
    defaults = _yaml(f"{role}/defaults/main.yml") or {} if file.exists() else {}
    documented = {name: spec["default"] for name, spec in _options(role).items() if "default" in spec}
    assert documented == {name: _followed(value) for name, value in defaults.items()}


@pytest.mark.parametrize("role", NAMES)
def test_variables_start_with_their_roles_name_and_say_what_they_mean(role: str) -> None:
    for name, spec in _options(role).items():
        assert name.startswith(f"{role}_")
        assert "".join(spec["description"]).strip()
        assert spec["type"]


@pytest.mark.parametrize("role", NAMES)
def test_internal_variables_are_marked_as_such(role: str) -> None:
    file = ROLES / role / "vars/main.yml"
    for name in _yaml(f"{role}/vars/main.yml") if file.exists() else ():
        assert name.startswith(f"__{role}_")


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("settings_mempol_api_url", "settings_mempool_api_url"),
        ("node_enable", "node_enabled"),
        ("verify_patience_second", "verify_patience_seconds"),
        ("preflight_min_disk_mb", "preflight_disk_min_mb"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_known_one(wrong: str, nearest: str) -> None:
    (problem,) = preflight.unknown_variables([wrong, nearest, "ansible_user", "somebody_elses"], str(ROLES))
    assert problem == f"{wrong} is not a variable of ours; did you mean {nearest}?"


@pytest.mark.parametrize(
    ("wrong", "nearest"), [("setting_api_port", "settings_api_port"), ("nodes_enabled", "node_enabled")]
)
def test_a_variable_with_a_misspelt_prefix_is_refused_too(wrong: str, nearest: str) -> None:
    (problem,) = preflight.unknown_variables([wrong], str(ROLES))
    assert problem == f"{wrong} is not a variable of ours; did you mean {nearest}?"
    assert preflight.foreign_variables([wrong], str(ROLES)) == []


@pytest.mark.parametrize("foreign", ["node_exporter_version", "proxy_env"])
def test_somebody_elses_variable_with_a_prefix_of_ours_is_worth_a_note_and_no_more(foreign: str) -> None:
    assert preflight.unknown_variables([foreign], str(ROLES)) == []
    (note,) = preflight.foreign_variables([foreign, "node_enabled", "somebody_elses"], str(ROLES))
    assert note.startswith(f"{foreign} starts like a variable of ours")


TOGETHER = {
    "host_prefix": "utxoracle",
    "host_groups": [],
    "units_allowed_addresses": [],
    "named_upstreams": [],
    "database_file": "",
    "proxy_certificate_file": "",
    "proxy_key_file": "",
    "proxy": {"name": "proxy_port", "host": "0.0.0.0", "port": 8443},  # noqa: S104 - compared, not bound to
    "ports": [{"name": "settings_api_port", "host": "127.0.0.1", "port": 8001}],
}


@pytest.mark.parametrize(
    "sound",
    [
        {},
        {"named_upstreams": ["db.example"], "units_allowed_addresses": ["192.0.2.1"]},
        {"proxy_certificate_file": "/a", "proxy_key_file": "/b"},
        {"proxy": {}},
        {"proxy": {"name": "proxy_port", "host": "192.0.2.1", "port": 8001}},
        {"database_file": "/srv/utxoracle/utxoracle.db"},
        {"database_file": "/var/lib/utxoracle/other.db"},
    ],
)
def test_what_can_be_meant_together_is_accepted(sound: dict[str, Any]) -> None:
    assert preflight.contradictions_of({**TOGETHER, **sound}) == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"host_prefix": "Ours!"}, "host_prefix is Ours!; give two to twenty-one small letters"),
        ({"host_groups": "bitcoin"}, "host_groups is 'bitcoin'; expected a list"),
        ({"units_allowed_addresses": "192.0.2.1"}, "units_allowed_addresses is '192.0.2.1'; expected a list"),
        (
            {"named_upstreams": ["db.example"]},
            "the services may talk to loopback only, and the settings name db.example",
        ),
        ({"proxy_key_file": "/b"}, "set proxy_certificate_file and proxy_key_file together"),
        ({"proxy": {**TOGETHER["proxy"], "port": 8001}}, "proxy_port and settings_api_port are both 8001"),  # type: ignore[dict-item]
        ({"proxy": {**TOGETHER["proxy"], "port": 84430}}, "proxy_port is 84430; expected"),  # type: ignore[dict-item]
        ({"database_file": "/utxoracle.db"}, "the database /utxoracle.db cannot be written"),
        ({"database_file": "/srv/../home/me/x.db"}, "the database /home/me/x.db cannot be written"),
        ({"database_file": "/run/utxoracle/x.db"}, "the database /run/utxoracle/x.db cannot be written"),
        ({"database_file": "/tmp/x.db"}, "the database /tmp/x.db cannot be written"),  # noqa: S108 - refused
    ],
)
def test_what_would_stop_a_later_role_is_told_before_anything_is_changed(wrong: dict[str, Any], sentence: str) -> None:
    (problem,) = preflight.contradictions_of({**TOGETHER, **wrong})
    assert problem.startswith(sentence)


def test_the_last_words_of_a_program_are_its_cause_and_not_what_it_was_given() -> None:
    crashed = {"rc": 1, "stderr": "Traceback …\n  main('the password')\nOSError: no space left\n"}
    unstarted = {"rc": 127, "module_stderr": "sh: python3: not found\nShared connection to x closed.\n", "msg": "no"}
    assert preflight.last_words([crashed, unstarted, {"msg": "gone"}, {}]) == [
        "OSError: no space left",
        "sh: python3: not found",
        "gone",
        "no word of it",
    ]


def test_a_sentence_about_one_setting_names_others_by_their_variables_and_leaves_values_alone() -> None:
    problems = preflight.settings_problems(
        {"settings_bitcoin_rpc_url": "http://me:secret@127.0.0.1:8332", "settings_bitcoin_network": "API_PORTS"},
        str(CHECKOUT),
    )
    assert "settings_bitcoin_rpc_user" in problems[0]
    assert "BITCOIN_RPC_USER" not in problems[0]
    assert "'API_PORTS'" in problems[1]


def test_wrong_values_of_settings_are_all_told_before_anything_is_done() -> None:
    problems = preflight.settings_problems(
        {
            "settings_api_port": 80,
            "settings_bitcoin_network": "mainnet",
            "settings_jwt_secret_key": "short",
            "settings_database_url": "postgresql://u:p@127.0.0.1:port/db",
            "settings_whale_threshold_btc": "a lot",
            "settings_metrics_enabled": True,
            "settings_rate_sources": ["name=https://host/path#usd", "nonsense"],
        },
        str(CHECKOUT),
    )
    told = [problem.partition(" ")[0] for problem in problems]
    assert told == [
        "settings_jwt_secret_key",
        "settings_database_url",
        "settings_api_port",
        "settings_bitcoin_network",
        "settings_whale_threshold_btc",
        "settings_rate_sources",
    ]


def test_settings_that_contradict_each_other_are_told_by_their_variables_before_anything_is_changed() -> None:
    problems = preflight.settings_problems(
        {"settings_bitcoin_rpc_user": "me", "settings_bitcoin_rpc_cookie_file": "/cookie", "settings_api_port": 8765},
        str(CHECKOUT),
    )
    assert problems == [
        "settings_bitcoin_rpc_cookie_file and settings_bitcoin_rpc_user are both set; keep one",
        "settings_bitcoin_rpc_user and settings_bitcoin_rpc_password go together; one is missing",
        "settings_api_port and settings_websocket_port are the same on one address",
    ]


def test_the_controller_needs_nothing_but_python_to_judge_settings() -> None:
    code = (
        "from app.config.declaration import declarations; import app.config.contradictions; assert list(declarations())"
    )
    subprocess.run([sys.executable, "-S", "-E", "-c", code], cwd=CHECKOUT, check=True)


def test_the_roles_own_defaults_of_settings_are_accepted() -> None:
    assert preflight.settings_problems(_yaml("settings/defaults/main.yml"), str(CHECKOUT)) == []


def _settings_with_an_effect() -> set[str]:
    """Return the settings that something reads: preflight only judges, and what is rendered only repeats."""
    rendered = {CHECKOUT / "templates/env/env.j2"}
    application = [file for file in (CHECKOUT / "app").rglob("*.py") if "config" not in file.parts]
    deploy = [
        file
        for folder in (ROLES, CHECKOUT / "templates")
        for file in folder.rglob("*")
        if file.suffix in {".yml", ".j2", ".py"}
        and not {"settings", "preflight"} & set(file.relative_to(CHECKOUT).parts)
        and file not in rendered
    ]
    sources = "\n".join(file.read_text(encoding="utf-8") for file in application)
    read = set(re.findall(r"\bsettings\.([a-z_]+)", sources))
    for file in deploy:
        read |= set(re.findall(r"\bsettings_([a-z_]+)", file.read_text(encoding="utf-8")))
    if "configuration.database_url(" in sources:
        read |= {"database_url", "database_path"}
    return read


def test_a_setting_without_effect_says_what_it_awaits_and_no_other_does() -> None:
    awaiting = {key.lower() for key, declared in declarations() if declared.awaits}
    every = {key.lower() for key, _ in declarations()}
    assert awaiting == every - _settings_with_an_effect()


def test_verify_alone_falls_back_on_the_other_roles_own_defaults() -> None:
    text = (ROLES / "verify/vars/main.yml").read_text(encoding="utf-8")
    fallbacks = re.findall(r"\b([a-z]+_\w+) \| default\(([^)]*)\)", text)
    assert fallbacks
    for name, fallback in fallbacks:
        default = _yaml(f"{name.partition('_')[0]}/defaults/main.yml")[name]
        assert str(default).lower() == fallback.strip("'").lower(), name


def test_the_node_must_publish_only_what_the_settings_leave_to_it(tmp_path: Path) -> None:
    usual = {
        "node_zmq_rawtx_url": "raw",
        "node_zmq_sequence_url": "sequence",
        "settings_zmq_rawtx_url": "auto",
        "settings_zmq_sequence_url": "auto",
    }
    hosts = {
        "both": usual,
        "one-named": usual | {"settings_zmq_rawtx_url": "tcp://127.0.0.1:1"},
        "one-off": usual | {"settings_zmq_sequence_url": "off"},
    }
    told = worked_out(tmp_path, "preflight", hosts, "__preflight_questions.bitcoind.zmq")
    assert {name: json.loads(text) for name, text in told.items()} == {
        "both": {"pubrawtx": "raw", "pubsequence": "sequence"},
        "one-named": {"pubsequence": "sequence"},
        # One topic says too little without the other.
        "one-off": {},
    }


def test_the_rpc_user_may_make_exactly_the_calls_that_are_made() -> None:
    allowed = set(_yaml("node/vars/main.yml")["__node_rpc_calls"])
    sources = [*(CHECKOUT / "app/adapters").rglob("*.py"), ROLES / "preflight/files/bitcoind.py"]
    made = {call for file in sources for call in re.findall(r'"(get[a-z]{4,})"', file.read_text(encoding="utf-8"))}
    assert made == allowed

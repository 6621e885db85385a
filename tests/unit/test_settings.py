"""Settings: every problem at once, and no file that repeats them out of date."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from app.config import render
from app.config.declaration import declarations
from app.config.env_file import CONTENT_KEY
from app.config.load import ConfigurationError, Directories, database_url, load

SOUND = {"JWT_SECRET_KEY": "k" * 32}
# What a line of an environment file can carry: no control characters, no halves of characters.
ugly_text = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=32)


def problems_of(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load({CONTENT_KEY: ""} | environ)
    return caught.value.problems


def rendered_env(**variables: object) -> str:
    defaults = {}
    for key, declared in declarations():
        default = declared.default or ""
        defaults[f"settings_{key.lower()}"] = (
            [part for part in default.split(",") if part] if declared.kind.ansible_type == "list" else default
        )
    environment = Environment(trim_blocks=True, keep_trailing_newline=True, autoescape=False)  # noqa: S701 - no HTML
    template = environment.from_string(render.env_template())
    return template.render(defaults | {"__settings_found": {}} | variables)


def test_every_problem_is_listed_at_once() -> None:
    problems = problems_of(
        {
            "API_PORT": "80",
            "JWT_ALGORITHM": "none",
            "BITCOIN_RPC_URL": "127.0.0.1:8332",
            "WHALE_THRESHOLD_BTC": "nan",
            "MIN_PRICE_USD": "",
        }
    )
    assert [problem.split()[0] for problem in problems] == [
        "API_PORT",
        "BITCOIN_RPC_URL",
        "JWT_ALGORITHM",
        "JWT_SECRET_KEY",
        "MIN_PRICE_USD",
        "WHALE_THRESHOLD_BTC",
    ]


def test_an_unknown_key_of_the_environment_is_none_of_our_business() -> None:
    assert load(SOUND | {CONTENT_KEY: "", "API_PROT": "1"}).api_port == 8001


def test_the_example_is_refused_for_its_placeholders_and_for_nothing_else() -> None:
    problems = problems_of({CONTENT_KEY: render.env_example()})
    assert len(problems) == 1
    assert "JWT_SECRET_KEY still has the placeholder" in problems[0]


def test_a_secret_is_never_repeated_in_a_message() -> None:
    problems = problems_of(SOUND | {"DATABASE_URL": "mysql://me:hunter2@host/db", "JWT_SECRET_KEY": "short"})
    assert not [problem for problem in problems if "hunter2" in problem or "short" in problem]


@pytest.mark.parametrize(
    "written", ["http://host:8999", "http://host:8999/", "http://host:8999/api", "http://host:8999/api/v1/"]
)
def test_the_prefix_of_mempool_may_be_written_along(written: str) -> None:
    assert load(SOUND | {CONTENT_KEY: "", "MEMPOOL_API_URL": written}).mempool_api_url == "http://host:8999"


@pytest.mark.parametrize(
    ("given_settings", "problem"),
    [
        ({"MIN_PRICE_USD": "5", "MAX_PRICE_USD": "4"}, "MIN_PRICE_USD"),
        ({"BITCOIN_RPC_USER": "me"}, "BITCOIN_RPC_PASSWORD"),
        ({"DATABASE_URL": "sqlite:////tmp/x.db", "DATABASE_PATH": "/tmp/x.db"}, "DATABASE_PATH"),  # noqa: S108 - never opened
        ({"WEBSOCKET_PORT": "8001"}, "WEBSOCKET_PORT"),
        ({"ACCURACY_CRITICAL": "0.9"}, "ACCURACY_CRITICAL"),
        ({"API_HOST": "::1"}, "add ::1"),
        ({"WEBSOCKET_HOST": "::"}, "add ::1"),
        ({"TRUSTED_PROXIES": "::1,10.0.0.1"}, "add ::1 for an IPv6 API_HOST, 127.0.0.1 for an IPv4 one"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given_settings: dict[str, str], problem: str) -> None:
    assert any(problem in each for each in problems_of(SOUND | given_settings))


@pytest.mark.parametrize(
    "given_settings",
    [
        {"API_HOST": "::1", "WEBSOCKET_HOST": "::1", "TRUSTED_PROXIES": "::1"},
        {"API_HOST": "10.0.0.2", "TRUSTED_PROXIES": "10.0.0.1"},
        {"TRUSTED_PROXIES": ""},
        {"API_HOST": "localhost"},
    ],
)
def test_proxies_that_can_be_believed_are_accepted(given_settings: dict[str, str]) -> None:
    load(SOUND | {CONTENT_KEY: ""} | given_settings)


def test_a_contradiction_is_told_beside_a_malformed_setting() -> None:
    problems = problems_of(SOUND | {"API_PORT": "http", "MIN_PRICE_USD": "5", "MAX_PRICE_USD": "4"})
    assert [problem.split()[0] for problem in problems] == ["API_PORT", "MIN_PRICE_USD"]


def test_a_value_that_is_malformed_contradicts_nothing() -> None:
    (problem,) = problems_of(SOUND | {"MIN_PRICE_USD": "a lot", "MAX_PRICE_USD": "1"})
    assert problem.startswith("MIN_PRICE_USD is 'a lot'")


def test_the_database_is_a_file_in_the_state_directory_unless_said_otherwise() -> None:
    directories = Directories.of({"STATE_DIRECTORY": "/srv/state"})
    assert database_url(load(SOUND | {CONTENT_KEY: ""}), directories) == "sqlite:////srv/state/utxoracle.db"
    elsewhere = load(SOUND | {CONTENT_KEY: "", "DATABASE_URL": "postgres://u:p@host/name"})
    assert database_url(elsewhere, directories) == "postgresql+psycopg://u:p@host/name"


def test_rendered_files_are_those_of_the_declaration() -> None:
    assert render.outdated() == []


def test_a_rendered_file_that_was_edited_is_noticed(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text(render.env_example() + "# edited\n")
    assert ".env.example" in render.outdated(tmp_path)


def test_the_rendered_env_with_a_secret_is_accepted() -> None:
    settings = load({CONTENT_KEY: rendered_env(__settings_found={"jwt_secret_key": "s" * 40})})
    assert settings.jwt_secret_key == "s" * 40
    assert settings.rate_sources == ()


def test_a_zero_stays_a_zero() -> None:
    content = rendered_env(settings_jwt_secret_key="s" * 40, settings_webhook_max_retries=0)
    assert load({CONTENT_KEY: content}).webhook_max_retries == 0


@given(ugly_text)
def test_any_secret_survives_the_file(secret: str) -> None:
    assert load({CONTENT_KEY: rendered_env(settings_jwt_secret_key=secret)}).jwt_secret_key == secret

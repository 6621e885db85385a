"""The `.env` file: no line is skipped, none is taken twice, and no message repeats what a line holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config.declaration import Settings
from app.config.env_file import CONTENT_KEY
from app.config.load import ConfigurationError, load

SOUND = f'JWT_SECRET_KEY="{"k" * 32}"\n'


def loaded(content: str) -> Settings:
    return load({CONTENT_KEY: content})


def problems_of(content: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(content)
    return caught.value.problems


@pytest.mark.parametrize(
    "line",
    [
        'JWT_ALGORITHM "HS512"',
        "JWT_ALGORITHM: HS512",
        "JWT_ALGORITHM",
        'JWT_ALGORITHM="HS512',
        "JWT_ALGORITHM='HS512",
        'JWT_ALGORITHM="HS512" and more',
        'export JWT_ALGORITHM "HS512"',
    ],
)
def test_a_malformed_line_is_not_skipped_in_favour_of_the_default(line: str) -> None:
    assert problems_of(f"{SOUND}\n{line}\n") == [
        'line 3 of the settings file (JWT_ALGORITHM) is not of the form KEY="value"; is a quote not closed?'
    ]


def test_a_quote_that_is_not_closed_swallows_no_line() -> None:
    problems = problems_of(f'RATE_LIMIT_PER_MINUTE="5\n{SOUND}API_PORT="80"\nLOG_LEVEL="INFO"\n')
    assert [problem.split(" is ")[0] for problem in problems] == [
        "line 1 of the settings file (RATE_LIMIT_PER_MINUTE)",
        "API_PORT",
    ]


def test_a_malformed_secret_is_told_by_its_line_alone() -> None:
    for line in ('JWT_SECRET_KEY="hunter2', "JWT_SECRET_KEY: hunter2", "hunter2", "JWT_SECRET_KEY=\nhunTer2=="):
        problems = problems_of(f"# a comment\n{line}")
        assert any("line" in problem for problem in problems)
        assert not any("hunter2" in problem.lower() for problem in problems)


def test_a_repeated_key_is_told_with_both_lines() -> None:
    assert problems_of(f'API_PORT="8001"\n{SOUND}API_PORT="8002"\n') == [
        "line 3 of the settings file sets API_PORT again, after line 1; keep one"
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('API_PROT="8001"', "API_PROT is not a setting of ours; did you mean API_PORT?"),
        ('api_port="8001"', "what it begins with is not a setting of ours; did you mean API_PORT?"),
        ('XYZ="8001"', "XYZ is not a setting of ours; take it out"),
    ],
)
def test_an_unknown_key_names_its_line_and_the_nearest(line: str, sentence: str) -> None:
    assert problems_of(f"{SOUND}{line}") == [f"line 2 of the settings file: {sentence}"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_are_counted_however_they_end(ending: str) -> None:
    (problem,) = problems_of(ending.join([SOUND.strip(), "", "# API_PORT", "API_PORT"]))
    assert problem.startswith("line 4 of")


def test_what_shells_allow_is_understood() -> None:
    settings = loaded(f"\ufeff{SOUND}export API_PORT = 8002 # as before\nAPI_HOST='127.0.0.1'\n\n  LOG_LEVEL=DEBUG")
    assert (settings.api_port, settings.api_host, settings.log_level) == (8002, "127.0.0.1", "DEBUG")


def test_a_line_break_has_no_way_into_a_value() -> None:
    assert problems_of(SOUND + r'DATABASE_PATH="/srv\n/x.db"') == [
        "DATABASE_PATH contains a control character or a line break"
    ]


def test_a_file_that_cannot_be_read_is_the_only_problem(tmp_path: Path) -> None:
    for name, content in (("absent", None), ("binary", b"\xff\xfe")):
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ConfigurationError) as caught:
            load({"UTXORACLE_ENV_FILE": str(file)})
        (problem,) = caught.value.problems
        assert problem.startswith(f"{file} cannot be read: ")

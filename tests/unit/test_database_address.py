"""DATABASE_URL: what is accepted can be opened, what cannot is refused before anything starts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import pq

from app.adapters.database.engine import open_database
from app.config.database_address import OPTIONS, database_url

SECRET = "hunter2"  # noqa: S105 - what no sentence may repeat
PARTS = [
    "sqlite://",
    "postgresql://",
    "postgres",
    "u",
    ":",
    SECRET,
    "@",
    "host",
    "127.0.0.1",
    "[::1]",
    ":5432",
    "/",
    "db",
]
PARTS += ["?", "&", "connect_timeout=", "5", "abc", "host=", "sslmode=", "port=1", ",", "%40", "%", "#", " ", "."]

read = database_url().read


def refusal(url: str) -> str:
    with pytest.raises(ValueError, match=r"^(is|has|names|contains) ") as refused:
        read(url)
    return str(refused.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"postgresql://u:{SECRET}@127.0.0.1:port/db", "no sound port"),
        (f"postgresql://u:{SECRET}@127.0.0.1:99999/db", "no sound port"),
        (f"postgresql://u:{SECRET}@127.0.0.1:0/db", "no sound port"),
        (f"postgresql://u:{SECRET}@127.0.0.1:/db", "no sound port"),
        (f"postgresql://u:{SECRET}@127.0.0.1/db?connect_timeout=abc", "wrong connect_timeout"),
        (f"postgresql://u:{SECRET}@127.0.0.1/db?connect_timeout=0", "wrong connect_timeout"),
        (f"postgresql://u:{SECRET}@127.0.0.1/db?sslmode=yes", "wrong sslmode"),
        (f"postgresql://u:{SECRET}@127.0.0.1/db?sslmode=require&sslmode=require", "repeated option"),
        (f"postgresql://127.0.0.1/db?password={SECRET}", "unknown or repeated option"),
        (f"postgresql://u:p@{SECRET}@127.0.0.1/db", "percent-encode"),
        (f"postgresql://u:p/{SECRET}@127.0.0.1/db", "percent-encode"),
        (f"postgresql://u:p?{SECRET}@127.0.0.1/db", "percent-encode"),
        (f"postgresql://u:p#{SECRET}@127.0.0.1/db", "percent-encode"),
        (f"postgresql://u:{SECRET}@ho_st!/db", "no sound host"),
        (f"postgresql://u:{SECRET}@[::1/db", "no host that can be understood"),
        (f"postgresql://u:{SECRET}@[]/db", "no sound host"),
        (f"postgresql://u:{SECRET}%00@127.0.0.1/db", "control character"),
        (f"postgresql://u:{SECRET}%ff@127.0.0.1/db", "not UTF-8"),
        ("postgresql:///db?host=h1:port", "no sound port"),
        ("postgresql:///db?host=h1:5432&host=::1", "no sound host"),
        ("postgresql:///db?host=h1,h2", "no sound host"),
        ("postgresql:///db?host=/run/a:b&host=h2", "socket"),
        ("postgresql://", "is not sqlite:////absolute/path or postgresql://"),
        (f"mysql://u:{SECRET}@host/db", "is not sqlite:////absolute/path or postgresql://"),
        ("sqlite:////", "names a directory"),
        ("sqlite:////srv/state/", "names a directory"),
        ("sqlite:////srv/..", "names a directory"),
        ("sqlite:////srv/%2E%2E", "names a directory"),
        ("sqlite:///relative.db", "without an absolute path"),
        ("sqlite://", "is not"),
        ("sqlite:////srv/x.db?timeout=abc", "options"),
        ("sqlite:////srv/x%00.db", "control character"),
    ],
)
def test_a_database_that_no_process_could_open_is_refused_without_its_password(url: str, reason: str) -> None:
    sentence = refusal(url)
    assert reason in sentence
    assert SECRET not in sentence


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("postgres://u:p@host/name", "postgresql+psycopg://u:p@host/name"),
        ("postgresql://u:p%40ss%2F@[::1]:5433/name", "postgresql+psycopg://u:p%40ss%2F@[::1]:5433/name"),
        ("postgresql:///name?host=/run/postgresql", "postgresql+psycopg:///name?host=/run/postgresql"),
        ("postgresql://u@/name?host=h1:5432&host=h2", "postgresql+psycopg://u@/name?host=h1:5432&host=h2"),
        (
            "postgresql+psycopg://u:p:p@db.example/n?sslmode=verify-full&connect_timeout=3",
            "postgresql+psycopg://u:p:p@db.example/n?sslmode=verify-full&connect_timeout=3",
        ),
        ("sqlite:////srv/my state/x%3F.db", "sqlite:////srv/my state/x%3F.db"),
        ("sqlite+pysqlite:////srv/x.db", "sqlite:////srv/x.db"),
    ],
)
def test_a_sound_database_is_accepted(url: str, opened: str) -> None:
    assert read(url) == opened
    open_database(opened).close()


def test_every_option_is_one_of_libpq() -> None:
    assert set(OPTIONS) < {option.keyword.decode() for option in pq.Conninfo.get_defaults()}


@settings(max_examples=500)
@given(st.one_of(st.lists(st.sampled_from(PARTS), max_size=14).map("".join), st.text().map("postgresql://{}".format)))
def test_whatever_is_accepted_can_be_opened(url: str) -> None:
    try:
        accepted = read(url)
    except ValueError as error:
        sentence = str(error)
    else:
        sentence = ""
        open_database(accepted).close()
    assert SECRET not in sentence

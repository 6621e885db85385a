"""The commands of docs/examples do what they say, and the reference beside them is complete."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from whale_stream import FileBookmark

from tests.fakes.example_client import EXAMPLES
from tests.fakes.stream_events import alert, every_kind
from tests.fakes.stream_service import CHECKOUT, StreamService, until

# Whatever fails here does so by waiting for a message that does not come.
pytestmark = pytest.mark.timeout(120)


# The commands


@contextmanager
def command(service: StreamService, name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    environ = {"PATH": os.environ["PATH"], "UTXORACLE_TOKEN": service.token()}
    # A shell lets what it runs in the background ignore Ctrl-C, and so would whatever we start then.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    words = [sys.executable, str(EXAMPLES / name), f"http://127.0.0.1:{service.port}", *arguments]
    with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
            signal.signal(signal.SIGINT, before)


def test_print_whales_prints_a_line_for_each_whale_and_for_what_becomes_of_it(
    service: StreamService, bookmark: FileBookmark, tmp_path: Path
) -> None:
    service.tell(*every_kind())
    assert bookmark.read() is not None
    with command(service, "print_whales.py", "--bookmark", str(tmp_path / "place.json")) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    known, unknown, mined, returned = lines
    whale = f"{1:064x}        512.35 BTC  inflow  "
    assert known == (
        f"2026-11-24 10:10:00Z  seen       {whale}  transfer (An exchange) at 20 sat/vB, "
        "block 900001, from 900001 to 900003 at 80 %, the next one at 71%\n"
    )
    assert unknown.endswith("transfer at unknown fee, no prediction\n")
    assert mined == f"2026-11-24 10:10:00Z  confirmed  {whale}  block 900001, as early as predicted\n"
    assert returned.endswith("no longer dropped (returned)\n")


def test_print_whales_tells_only_of_those_that_are_asked_for(
    service: StreamService, bookmark: FileBookmark, tmp_path: Path
) -> None:
    service.tell(*every_kind())
    assert bookmark.read() is not None
    wanted = ("--min-btc", "500", "--status", "confirmed", "--status", "dropped", "--flow", "inflow")
    with command(service, "print_whales.py", "--bookmark", str(tmp_path / "place.json"), *wanted) as process:
        assert process.stdout is not None
        assert "confirmed" in process.stdout.readline()


def test_a_command_says_why_the_node_refuses_and_exits_with_2(service: StreamService) -> None:
    with command(service, "print_whales.py", "--status", "sold") as process:
        _, said = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "sold" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("print_whales.py", ("--cafile", "{there}/none.pem"), "none.pem cannot be read (No such file or directory)"),
        ("print_whales.py", ("--cafile", "{there}/text"), "text holds no certificate"),
        ("print_whales.py", ("--stream", "https://node.example/ws/whales"), "is not the address of a stream"),
        ("print_whales.py", ("--bookmark", "{there}/text"), "text is no bookmark"),
        ("print_whales.py", ("--bookmark", "{there}"), "cannot be read (Is a directory)"),
        ("print_whales.py", ("--bookmark", "{there}/none/place.json"), "place.json cannot be written there"),
        ("print_whales.py", ("--flow", "sideways"), "invalid choice: 'sideways'"),
        ("print_whales.py", ("--min-urgency", "1.5"), "1.5 is not from 0 to 1"),
        ("record_to_sqlite.py", ("{there}/none/whales.db",), "whales.db: unable to open database file"),
        ("record_to_sqlite.py", ("{there}/text",), "text: file is not a database"),
    ],
)
def test_what_is_given_wrongly_is_told_in_a_sentence(
    tmp_path: Path, name: str, arguments: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "text").write_text("no certificate, no bookmark and no database")
    said = refusal(name, "http://127.0.0.1:1", *(each.format(there=tmp_path) for each in arguments))
    assert sentence in said


@pytest.mark.parametrize("node", ["node.example:8443", "wss://node.example", "https://", "http://node.example:none"])
def test_what_is_no_address_of_a_rest_api_is_told(node: str) -> None:
    assert f"{node} is not the address of a REST API" in refusal("print_whales.py", node)


def refusal(name: str, *arguments: str) -> str:
    """Return what a command says before it leaves with 2."""
    words = [sys.executable, str(EXAMPLES / name), *arguments]
    environ = {"PATH": os.environ["PATH"], "UTXORACLE_TOKEN": "any"}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


def test_record_to_sqlite_has_every_event_once_though_it_is_killed(service: StreamService, tmp_path: Path) -> None:
    file = tmp_path / "whales.db"

    def recorded() -> list[int]:
        with closing(sqlite3.connect(file)) as connection:
            try:
                return [row[0] for row in connection.execute("SELECT event_id FROM messages ORDER BY id")]
            except sqlite3.OperationalError:
                return []

    def has_begun() -> bool:
        with closing(sqlite3.connect(file)) as connection, suppress(sqlite3.OperationalError):
            return bool(connection.execute("SELECT count(*) FROM place").fetchone()[0])
        return False

    def some_more_is_recorded(before: int) -> bool:
        return len(recorded()) > before

    appended: list[int] = []
    for _ in range(3):
        with command(service, "record_to_sqlite.py", str(file)) as process:
            until(has_begun, "the recording to begin")
            appended += service.tell(*(alert(number) for number in range(200)))
            until(partial(some_more_is_recorded, len(appended) - 200), "some of it to be recorded")
            process.kill()
    with command(service, "record_to_sqlite.py", str(file)):
        appended += service.tell(*every_kind())
        until(lambda: len(recorded()) >= len(appended), "all of it to be recorded")
    assert recorded() == appended
    with closing(sqlite3.connect(file)) as connection:
        query = "SELECT btc_value, status, block_height FROM whales WHERE txid = ?"
        assert connection.execute(query, [f"{1:064x}"]).fetchall() == [(512.3456789, "confirmed", 900_001)]


def test_the_readme_calls_commands_that_there_are_with_their_options() -> None:
    lines = re.findall(r"^python (\w+\.py) (.*)$", (EXAMPLES / "README.md").read_text("utf-8"), re.MULTILINE)
    assert {name for name, _ in lines} == {"print_whales.py", "record_to_sqlite.py"}
    for name, arguments in lines:
        done = subprocess.run([sys.executable, EXAMPLES / name, "--help"], capture_output=True, text=True, check=True)
        for option in re.findall(r"--[\w-]+", arguments):
            assert f"{option} " in done.stdout, (name, option)


# The reference


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((CHECKOUT / "docs" / "asyncapi.yaml").read_text("utf-8"))
    found: dict[str, Any] = document["components"]["schemas"]
    return found


def first_cells(heading: str) -> list[str]:
    """Return what stands in backticks in the first cell of each row below `heading` in API.md."""
    reference = (CHECKOUT / "docs" / "API.md").read_text("utf-8")
    (section,) = re.findall(rf"^### {heading}\n(.*?)(?=^##|\Z)", reference, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


@pytest.mark.parametrize("name", ["WhaleAlert", "StatusUpdate", "FeeUpdate", "Reorg"])
def test_the_api_reference_has_every_field_of_every_event_and_no_other(schemas: dict[str, Any], name: str) -> None:
    properties = schemas[name]["properties"]
    assert sorted(first_cells(f"`{properties['type']['const']}`")) == sorted({*properties} - {"type", "event_id"})


def test_the_api_reference_has_every_status_and_no_other(schemas: dict[str, Any]) -> None:
    assert sorted(first_cells("Statuses and scores")) == sorted(schemas["Status"]["enum"])

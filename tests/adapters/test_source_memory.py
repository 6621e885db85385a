"""The file in which failed sources are remembered: never a reason for a run to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.adapters.source_memory import FileMemory
from app.services.source_breaker import Trouble

TROUBLES = {"electrs": Trouble(3, 1_795_000_000.5), "public:mempool.space": Trouble(1, 1.0)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sources.json"


def test_what_is_saved_is_there_for_the_next_process(file: Path) -> None:
    FileMemory(file).save({"other": Trouble(9, 9.0)})
    FileMemory(file).save(TROUBLES)
    assert FileMemory(file).load() == TROUBLES
    assert list(file.parent.iterdir()) == [file]


def test_before_the_first_failure_there_is_nothing_to_say(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert FileMemory(file).load() == {}
    assert caplog.records == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"\xff",
        b'{"\xff": 3}',
        b"[" * 100_000,
        b'{"electrs": 3}',
        b'{"electrs": {"failures": 1}}',
        b'{"electrs": null}',
    ],
)
def test_a_damaged_file_is_as_none_and_is_replaced(
    file: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_bytes(content)
    memory = FileMemory(file)
    assert memory.load() == {}
    assert "is damaged" in vars(caplog.records[0])["reason"]
    memory.save(TROUBLES)
    assert FileMemory(file).load() == TROUBLES


def test_what_a_killed_writer_left_is_in_nobodys_way(file: Path) -> None:
    FileMemory(file).save(TROUBLES)
    file.with_name("sources.json.new").write_bytes(b'{"elec')
    assert FileMemory(file).load() == TROUBLES
    FileMemory(file).save({})
    assert FileMemory(file).load() == {}


def test_a_disk_that_takes_nothing_is_said_once_and_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    memory = FileMemory(Path("/proc/no such directory/sources.json"))
    assert memory.load() == {}
    for _ in range(3):
        memory.save(TROUBLES)
    (record,) = caplog.records
    assert "cannot be written (No such file or directory)" in vars(record)["reason"]


def test_a_file_that_cannot_be_read_is_as_none(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.mkdir()
    assert FileMemory(file).load() == {}
    assert "cannot be read (Is a directory)" in vars(caplog.records[0])["reason"]

"""How far a history is healed, as a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.adapters.healed_mark import FileHealedMark
from app.services.healing import Healed

UNTIL = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize("healed", [Healed(UNTIL), Healed(UNTIL, LATER), Healed(UNTIL, LATER, waits=True)])
def test_what_was_saved_is_loaded_for_the_same_log_only(tmp_path: Path, healed: Healed) -> None:
    file = tmp_path / "healed.json"
    FileHealedMark(file, lambda: "a log").save(healed)
    assert FileHealedMark(file, lambda: "a log").load() == healed
    assert FileHealedMark(file, lambda: "another log").load() is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"log_identity": "\udcff"}', '{"log_identity": "a log"}', '{"log_identity": "a log", "until": 7}'],
)
def test_what_is_no_mark_counts_for_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "healed.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    assert FileHealedMark(file, lambda: "a log").load() is None


def test_a_mark_of_an_earlier_version_still_counts(tmp_path: Path) -> None:
    file = tmp_path / "healed.json"
    file.write_text('{"log_identity": "a log", "until": "2026-11-24T12:30:00Z"}')
    assert FileHealedMark(file, lambda: "a log").load() == Healed(UNTIL)


def test_a_mark_that_cannot_be_saved_is_told_and_harms_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mark = FileHealedMark(tmp_path / "nowhere" / "healed.json", lambda: "a log")
    mark.save(Healed(UNTIL))
    assert mark.load() is None
    assert [record.message for record in caplog.records] == ["where gaps were filled is not remembered"]

"""Extracts on disk: the same when they come back, or not there; never half, never too many, never an error."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.adapters.extract_files import ExtractFiles
from app.adapters.extract_format import ForeignBytesError, packed, unpacked
from app.domain.price.extract import BlockExtract
from tests.fakes.blocks import Input, Tx, block, coinbase
from tests.fakes.extracts import window_extracts
from tests.fakes.published import CHECKOUT

EXTRACTS = window_extracts(
    [
        block((coinbase(height), *(Tx([Input(bytes([number]) * 32)], lock_time=height) for number in range(height))))
        for height in range(1, 9)
    ],
    1,
)
ONE = EXTRACTS[4]


def same(one: BlockExtract | None, other: BlockExtract) -> bool:
    return one is not None and all(
        np.array_equal(getattr(one, each.name), getattr(other, each.name)) for each in fields(BlockExtract)
    )


def kept(files: ExtractFiles) -> list[int]:
    return [each.height for each in EXTRACTS if same(files.get(each.height, each.hash), each)]


def file_of(directory: Path, extract: BlockExtract) -> Path:
    (found,) = directory.glob(f"*-{extract.hash}.extract")
    return found


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "extracts"


def test_what_was_kept_comes_back(directory: Path) -> None:
    assert kept(ExtractFiles(directory)) == []
    for each in EXTRACTS:
        ExtractFiles(directory).put(each)
    assert kept(ExtractFiles(directory)) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_block_of_another_hash_is_not_there(directory: Path) -> None:
    ExtractFiles(directory).put(ONE)
    assert ExtractFiles(directory).get(ONE.height, EXTRACTS[0].hash) is None
    assert ExtractFiles(directory).get(ONE.height + 1, ONE.hash) is None


def test_what_was_written_first_goes_when_there_are_too_many(directory: Path) -> None:
    # As when a chain begins anew: what is left of the old one has greater heights.
    files = ExtractFiles(directory, max_blocks=3)
    for second, each in enumerate((EXTRACTS[7], EXTRACTS[2], EXTRACTS[5], EXTRACTS[4], EXTRACTS[0])):
        files.put(each)
        # Files that are written in one moment may have the same time.
        for path in directory.glob(f"*{each.hash}*"):
            os.utime(path, (second, second))
    assert kept(files) == [1, 5, 6]
    assert len(list(directory.iterdir())) == 3


def test_the_lowest_blocks_go_when_there_are_too_many_bytes(directory: Path) -> None:
    files = ExtractFiles(directory, max_bytes=sum(len(packed(each)) for each in EXTRACTS[5:]))
    for each in EXTRACTS:
        files.put(each)
    assert kept(files) == [6, 7, 8]


def test_what_other_processes_keep_counts_from_the_start(directory: Path) -> None:
    for each in EXTRACTS[:5]:
        ExtractFiles(directory).put(each)
    files = ExtractFiles(directory, max_blocks=3)
    files.put(EXTRACTS[7])
    assert kept(files) == [4, 5, 8]


def test_keeping_a_block_again_replaces_it(directory: Path) -> None:
    files = ExtractFiles(directory, max_blocks=1)
    earlier = window_extracts([block((coinbase(1),))], ONE.height)[0]
    for each in (earlier, ONE, ONE):
        files.put(each)
    assert kept(files) == [ONE.height]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_cut_off_or_changed_anywhere_is_deleted_and_made_anew(directory: Path, data: st.DataObject) -> None:
    files = ExtractFiles(directory)
    files.put(ONE)
    path = file_of(directory, ONE)
    raw = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        del raw[at:]
    else:
        raw[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    assert files.get(ONE.height, ONE.hash) is None
    assert not path.exists()
    files.put(ONE)
    assert same(files.get(ONE.height, ONE.hash), ONE)


@pytest.mark.parametrize(
    "content", [b"", b"utxoracle extract 1\n", b"utxoracle extract 2\n" + bytes(500), bytes(3_000_000)]
)
def test_a_file_of_anything_else_is_deleted(directory: Path, content: bytes) -> None:
    files = ExtractFiles(directory)
    files.put(ONE)
    path = file_of(directory, ONE)
    path.write_bytes(content)
    assert files.get(ONE.height, ONE.hash) is None
    assert not path.exists()


def test_a_file_under_the_name_of_another_block_is_deleted(directory: Path) -> None:
    files = ExtractFiles(directory)
    files.put(ONE)
    path = file_of(directory, ONE)
    path.write_bytes(packed(EXTRACTS[0]))
    assert files.get(ONE.height, ONE.hash) is None
    assert not path.exists()


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_bytes_that_are_no_extract_are_told_from_one(raw: bytes) -> None:
    with pytest.raises(ForeignBytesError):
        unpacked(raw)


def test_what_a_killed_process_left_half_written_is_removed_but_not_what_another_is_writing(directory: Path) -> None:
    directory.mkdir(parents=True)
    left, fresh = directory / "left.partial", directory / "fresh.partial"
    for path in (left, fresh):
        path.write_bytes(b"half")
    hour_ago = time.time() - 3600
    os.utime(left, (hour_ago, hour_ago))
    ExtractFiles(directory).put(ONE)
    assert not left.exists()
    assert fresh.exists()


def test_files_of_others_are_left_alone(directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / "notes.txt").write_text("mine")
    files = ExtractFiles(directory, max_blocks=1)
    for each in EXTRACTS:
        files.put(each)
    assert (directory / "notes.txt").read_text() == "mine"
    assert kept(files) == [8]


def test_a_directory_that_cannot_be_used_is_told_once_and_nothing_else_happens(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    files = ExtractFiles(in_the_way / "extracts")
    with caplog.at_level(logging.WARNING):
        for each in EXTRACTS:
            files.put(each)
            assert files.get(each.height, each.hash) is None
    assert [record.message for record in caplog.records] == [
        "block extracts cannot be kept: every run reads its blocks from the node again, which takes longer"
    ]


def test_a_full_disk_leaves_nothing_half_written(directory: Path) -> None:
    # A limit on the size of files ends a write in its middle, as a full disk does.
    program = """
import resource, signal, sys
from pathlib import Path
from tests.adapters.test_extract_files import ONE
from app.adapters.extract_files import ExtractFiles
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
ExtractFiles(Path(sys.argv[1])).put(ONE)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, directory], cwd=CHECKOUT, check=True, capture_output=True, text=True, timeout=60
    )
    assert "block extracts cannot be kept" in ended.stderr
    assert list(directory.iterdir()) == []


def test_two_processes_and_kill_9_leave_only_whole_files(directory: Path) -> None:
    seeded = random.Random(7)  # noqa: S311 - when to kill is no secret
    command = [sys.executable, "-m", "tests.adapters.extract_writer", str(directory)]
    for _ in range(6):
        with (
            subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) as one,
            subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) as other,
        ):
            for writer in (one, other):
                assert writer.stdout is not None
                assert writer.stdout.readline() == b"writing\n"
            time.sleep(seeded.uniform(0, 0.05))
            one.kill()
            other.kill()
        whole = list(directory.glob("*.extract"))
        assert whole
        for path in whole:
            assert len(unpacked(path.read_bytes()).n_spent) == 200
        # Each of the two keeps six, and can be killed between writing one and removing another.
        assert len(whole) <= 8
    ExtractFiles(directory, clock=lambda: time.time() + 3600).put(ONE)
    assert list(directory.glob("*.partial")) == []

from __future__ import annotations

import resource
import shutil
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from app.adapters.doorbell import UnixDoorbell, UnixHearing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT_ONCE_SECONDS = 0.5
NEVER_SECONDS = 0.05
PATIENT_SECONDS = 30.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "doorbell"


@pytest.fixture
def hearing(directory: Path) -> Iterator[UnixHearing]:
    follower = UnixHearing(directory, "follower")
    assert not follower.wait(0.001)
    yield follower
    follower.close()


def test_a_ring_wakes_a_waiting_follower_at_once(directory: Path, hearing: UnixHearing) -> None:
    ringer = threading.Timer(0.05, UnixDoorbell(directory).ring)
    ringer.start()
    started = time.monotonic()
    assert hearing.wait(PATIENT_SECONDS)
    assert time.monotonic() - started < AT_ONCE_SECONDS
    ringer.join()


def test_every_follower_hears_the_ring(directory: Path, hearing: UnixHearing) -> None:
    other = UnixHearing(directory, "other")
    other.wait(0.001)
    UnixDoorbell(directory).ring()
    assert hearing.wait(AT_ONCE_SECONDS)
    assert other.wait(AT_ONCE_SECONDS)
    other.close()


def test_a_ring_that_came_before_waiting_is_not_lost_and_many_count_as_one(
    directory: Path, hearing: UnixHearing
) -> None:
    for _ in range(5):
        UnixDoorbell(directory).ring()
    assert hearing.wait(AT_ONCE_SECONDS)
    assert not hearing.wait(NEVER_SECONDS)


def test_ringing_never_waits_for_a_follower_that_does_not_listen(directory: Path, hearing: UnixHearing) -> None:
    started = time.monotonic()
    for _ in range(5_000):
        UnixDoorbell(directory).ring()
    assert time.monotonic() - started < PATIENT_SECONDS / 3
    assert hearing.wait(AT_ONCE_SECONDS)


def test_ringing_where_nobody_has_ever_listened_does_nothing(directory: Path) -> None:
    UnixDoorbell(directory).ring()


def test_ringing_without_a_descriptor_left_raises_nothing(directory: Path, hearing: UnixHearing) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        UnixDoorbell(directory).ring()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    UnixDoorbell(directory).ring()
    assert hearing.wait(AT_ONCE_SECONDS)


def test_a_follower_without_a_descriptor_left_polls_until_there_is_one(directory: Path) -> None:
    follower = UnixHearing(directory, "follower")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        assert not follower.wait(NEVER_SECONDS)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not follower.wait(NEVER_SECONDS)
    UnixDoorbell(directory).ring()
    assert follower.wait(AT_ONCE_SECONDS)
    follower.close()


def test_a_dead_follower_keeps_nobody_else_from_hearing(directory: Path, hearing: UnixHearing) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(directory / "a-dead-one.sock"))
    UnixDoorbell(directory).ring()
    assert hearing.wait(AT_ONCE_SECONDS)


def test_a_follower_replaces_the_socket_that_its_killed_predecessor_left(directory: Path) -> None:
    directory.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(directory / "follower.sock"))
    successor = UnixHearing(directory, "follower")
    assert not successor.wait(0.001)
    UnixDoorbell(directory).ring()
    assert successor.wait(AT_ONCE_SECONDS)
    successor.close()


def test_a_predecessor_that_ends_late_leaves_the_successors_socket_alone(directory: Path) -> None:
    predecessor, successor = UnixHearing(directory, "follower"), UnixHearing(directory, "follower")
    predecessor.wait(0.001)
    successor.wait(0.001)
    predecessor.close()
    UnixDoorbell(directory).ring()
    assert successor.wait(AT_ONCE_SECONDS)
    successor.close()


def test_a_removed_directory_is_made_again(directory: Path, hearing: UnixHearing) -> None:
    shutil.rmtree(directory)
    assert not hearing.wait(NEVER_SECONDS)
    UnixDoorbell(directory).ring()
    assert hearing.wait(AT_ONCE_SECONDS)


def test_without_a_place_for_the_socket_waiting_is_plain_polling(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    deaf = UnixHearing(tmp_path / "file" / "doorbell", "follower")
    started = time.monotonic()
    assert not deaf.wait(NEVER_SECONDS)
    assert time.monotonic() - started >= NEVER_SECONDS
    deaf.close()


def test_closing_takes_the_socket_away(directory: Path, hearing: UnixHearing) -> None:
    assert (directory / "follower.sock").exists()
    hearing.close()
    assert not (directory / "follower.sock").exists()

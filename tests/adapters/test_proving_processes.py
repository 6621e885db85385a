"""Blocks proven by other processes: the same answers as here, whatever becomes of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import partial

import numpy as np
import psutil
import pytest

from app.adapters.proving_processes import ProvingProcesses, proving_processes
from app.adapters.proving_worker import ANSWER, QUESTION
from app.domain.blocks.malformed import MalformedBlockError
from app.domain.price.extract import BlockExtract
from app.services.block_proof import InThisProcess, done_ahead
from tests.fakes.blocks import Input, Tx, block, coinbase
from tests.fakes.published import CHECKOUT

BLOCKS = [
    block((coinbase(each), *(Tx([Input(bytes([number]) * 32)], lock_time=each) for number in range(50))))
    for each in range(12)
]


def same(one: BlockExtract, other: BlockExtract) -> bool:
    return all(np.array_equal(getattr(one, each.name), getattr(other, each.name)) for each in fields(BlockExtract))


def children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "app.adapters.proving_worker" in each.cmdline()]


def test_several_threads_get_each_the_extract_of_their_block() -> None:
    with proving_processes(2) as prover, ThreadPoolExecutor(prover.at_once) as threads:
        found = list(threads.map(prover.prove, BLOCKS, range(12)))
        assert len(children()) == 2
    assert all(
        same(each, InThisProcess().prove(raw, at)) for at, (each, raw) in enumerate(zip(found, BLOCKS, strict=True))
    )
    assert children() == []


def test_a_block_that_is_not_sound_is_refused_with_the_reason_and_the_next_is_proven() -> None:
    with proving_processes(1) as prover:
        with pytest.raises(MalformedBlockError, match="do not fit into the bytes that follow"):
            prover.prove(BLOCKS[0][:200], 0)
        with pytest.raises(MalformedBlockError, match="at most 4000000 bytes"):
            prover.prove(bytes(4_000_001), 0)
        assert same(prover.prove(BLOCKS[1], 1), InThisProcess().prove(BLOCKS[1], 1))


def test_processes_that_are_killed_are_stood_in_for() -> None:
    with proving_processes(2) as prover:
        for child in children():
            child.send_signal(signal.SIGKILL)
            child.wait(10)
        for at, raw in enumerate(BLOCKS[:5]):
            assert same(prover.prove(raw, at), InThisProcess().prove(raw, at))


def test_without_any_process_blocks_are_proven_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.adapters.proving_processes._COMMAND", ("/nowhere/python",))
    with proving_processes(2) as prover:
        assert same(prover.prove(BLOCKS[3], 3), InThisProcess().prove(BLOCKS[3], 3))


def test_pipes_that_cannot_be_widened_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.adapters.proving_processes._PIPE_BYTES", -1)
    with proving_processes(1) as prover:
        assert same(prover.prove(BLOCKS[3], 3), InThisProcess().prove(BLOCKS[3], 3))
        assert len(children()) == 1


def test_a_process_that_says_nothing_sensible_is_stood_in_for() -> None:
    with subprocess.Popen(["true"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as mute:
        assert same(ProvingProcesses([mute]).prove(BLOCKS[0], 0), InThisProcess().prove(BLOCKS[0], 0))
        # What it did not take in is still in its pipe, and no fault of this test.
        mute.communicate(timeout=20)


@pytest.mark.parametrize(
    "answer",
    [b"\x01\x02", ANSWER.pack(1, 4_800) + bytes(100), ANSWER.pack(1, 47) + bytes(47), ANSWER.pack(1, 0)],
    ids=["half a head", "half an outline", "no outline", "nothing"],
)
def test_a_process_that_answers_what_is_no_answer_is_stood_in_for(answer: bytes) -> None:
    raw = BLOCKS[0]
    program = f"import sys; sys.stdin.buffer.read({QUESTION.size + len(raw)}); sys.stdout.buffer.write({answer!r})"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert same(ProvingProcesses([process]).prove(raw, 0), InThisProcess().prove(raw, 0))


def test_a_process_whose_answer_nobody_wants_ends_without_a_word() -> None:
    raw = BLOCKS[0]
    command = [sys.executable, "-m", "app.adapters.proving_worker"]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, said = process.communicate(QUESTION.pack(len(raw)) + raw, timeout=60)
        assert (said, process.returncode) == (b"", 0)


def test_none_is_left_when_who_asked_was_killed() -> None:
    program = """
import sys, time
from app.adapters.proving_processes import proving_processes
with proving_processes(2):
    sys.stdout.write("started\\n")
    sys.stdout.flush()
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=CHECKOUT, stdout=subprocess.PIPE) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == b"started\n"
        workers = psutil.Process(asking.pid).children()
        assert len(workers) == 2
        asking.kill()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []


def test_a_process_ends_when_a_question_is_cut_off() -> None:
    command = [sys.executable, "-m", "app.adapters.proving_worker"]
    ended = subprocess.run(
        command, cwd=CHECKOUT, input=QUESTION.pack(500)[:3], capture_output=True, timeout=60, check=True
    )
    assert (ended.stdout, ended.stderr) == (b"", b"")


def test_a_process_does_without_what_takes_longer_to_import_than_blocks_to_prove() -> None:
    program = "import sys, app.adapters.proving_worker; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, timeout=60, check=True)


@pytest.mark.parametrize("at_once", [1, 2, 3, 20])
def test_jobs_are_answered_in_order_and_never_too_many_are_under_way(at_once: int) -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def job(number: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.001 * (number % 3))
        with lock:
            under_way -= 1
        return number

    answers = done_ahead([partial(job, number) for number in range(15)], at_once)
    assert list(answers) == list(range(15))
    assert most <= at_once


@pytest.mark.parametrize("at_once", [1, 2])
def test_what_a_job_raises_is_raised_in_its_turn(at_once: int) -> None:
    def fail() -> int:
        raise MalformedBlockError("no block")

    answers = done_ahead([lambda: 1, fail, lambda: 3], at_once)
    assert next(answers) == 1
    with pytest.raises(MalformedBlockError, match="no block"):
        next(answers)


@pytest.mark.parametrize("answers_taken", [1, 7])
def test_no_thread_is_left_waiting_for_jobs(answers_taken: int) -> None:
    before = set(threading.enumerate())
    answers = done_ahead([partial(int, number) for number in range(7)], 3)
    assert [next(answers) for _ in range(answers_taken)] == list(range(answers_taken))
    started = set(threading.enumerate()) - before
    assert len(started) <= 3
    del answers
    for thread in started:
        thread.join(20)
        assert not thread.is_alive()

"""Two processes that estimate side by side, as a back-fill uses them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from app.adapters.estimate_workers import EstimateWorkers, WorkerLostError
from app.domain.price.not_enough_data import NotEnoughDataError
from app.services.block_source import BlockPrunedError
from app.services.onchain_price import OnchainPrice
from tests.services.test_comparison import PRICE


def estimator(directory: Path) -> Callable[[int], OnchainPrice]:
    """Return what leaves its process's number in `directory`, and what each height asks for."""
    (directory / str(os.getpid())).touch()
    return partial(estimate, directory)


def estimate(directory: Path, height: int) -> OnchainPrice:
    if height % 7 == 3:
        raise BlockPrunedError(f"block {height} is gone")
    if height % 7 == 5:
        raise NotEnoughDataError(f"block {height} is thin")
    if height == 1000:
        os.kill(os.getpid(), signal.SIGKILL)
    if height == 2002:
        (directory / "waiting").touch()
        time.sleep(3600)
    return PRICE


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_for(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


@pytest.mark.parametrize("stretch", [1, 7, 500])
def test_outcomes_come_in_order_from_two_processes(tmp_path: Path, stretch: int) -> None:
    with closing(EstimateWorkers(partial(estimator, tmp_path), stretch)(range(300))) as outcomes:
        told = list(outcomes)
    assert [str(each) for each in told if isinstance(each, BlockPrunedError)] == [
        f"block {height} is gone" for height in range(3, 300, 7)
    ]
    assert [type(each) for each in told[:7]] == [
        *[OnchainPrice] * 3,
        *(BlockPrunedError, OnchainPrice, NotEnoughDataError, OnchainPrice),
    ]
    pids = [int(each.name) for each in tmp_path.iterdir()]
    # With work for one, the other is stopped before it has begun.
    assert len(pids) == 2 or stretch > 300
    assert os.getpid() not in pids
    assert not any(is_alive(pid) for pid in pids)


def test_no_heights_give_no_outcomes(tmp_path: Path) -> None:
    assert list(EstimateWorkers(partial(estimator, tmp_path), 5)([])) == []


def test_both_end_at_once_when_nobody_wants_more(tmp_path: Path) -> None:
    outcomes = EstimateWorkers(partial(estimator, tmp_path), 1)([0, 2002, 0, 0])
    assert next(outcomes) == PRICE
    wait_for((tmp_path / "waiting").exists)
    outcomes.close()
    assert not any(is_alive(int(each.name)) for each in tmp_path.iterdir() if each.name.isdigit())


def test_a_worker_that_is_killed_is_missed(tmp_path: Path) -> None:
    with (
        closing(EstimateWorkers(partial(estimator, tmp_path), 2)([0, 1, 1000])) as outcomes,
        pytest.raises(WorkerLostError, match="-9"),
    ):
        list(outcomes)


def test_workers_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    program = (
        "from functools import partial; from pathlib import Path\n"
        "from app.adapters.estimate_workers import EstimateWorkers\n"
        "from tests.adapters.test_estimate_workers import estimator\n"
        "if __name__ == '__main__':\n"
        f"    for _ in EstimateWorkers(partial(estimator, Path({str(tmp_path)!r})), 4)(range(10**9)): pass\n"
    )
    script = tmp_path.with_suffix(".py")
    script.write_text(program)
    process = subprocess.Popen([sys.executable, script], env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    pids = [int(each.name) for each in tmp_path.iterdir()]
    process.kill()
    process.wait(30)
    wait_for(lambda: not any(is_alive(pid) for pid in pids))

"""The benchmark of the detector: what was recorded is what is replayed, and every measure comes out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.domain.whales.parts import read_parts
from tests.bench.__main__ import TINY_DETECT
from tests.bench.crowd import THRESHOLD_SAT, crowd
from tests.bench.detector_run import watcher
from tests.bench.recorder import record
from tests.bench.recording import RAWTX, SEQUENCE, Recording, is_added, load, save
from tests.bench.replay_answers import ReplayAnswers
from tests.bench.replay_node import replayed
from tests.fakes.published import CHECKOUT
from tests.whales.parts import until


@pytest.fixture(scope="module")
def recording() -> Recording:
    """A few seconds of a real bitcoind."""
    return record(TINY_DETECT.scene, lambda _: None)


@pytest.fixture
def kept(recording: Recording, tmp_path: Path) -> Path:
    path = tmp_path / "recording"
    save(recording, path)
    return path


def test_a_recording_has_the_bytes_and_the_entry_of_all_that_entered_the_mempool(recording: Recording) -> None:
    entered = [frame.body[:32].hex() for frame in recording.frames if is_added(frame)]
    published = {read_parts(frame.body).txid for frame in recording.frames if frame.topic == RAWTX}
    assert len(entered) == recording.transactions > 100
    assert published.issuperset(entered)
    assert recording.raw.keys() == set(recording.waiting)
    # What was replaced at once could not be asked for any more.
    assert len(recording.entries.keys() & set(entered)) > 0.9 * len(entered)


def test_a_recording_knows_the_whales_and_what_they_spend(recording: Recording) -> None:
    raw = {read_parts(frame.body).txid: frame.body for frame in recording.frames if frame.topic == RAWTX}
    raw |= recording.raw
    assert recording.whales
    for txid in recording.whales:
        parts = read_parts(raw[txid])
        assert parts.value_sat >= recording.threshold_sat
        for spent in parts.spent:
            assert f"{spent[31::-1].hex()}:{int.from_bytes(spent[32:], 'little')}" in recording.coins


def test_a_recording_survives_its_file(recording: Recording, kept: Path) -> None:
    assert load(kept) == recording


def test_a_replayed_node_goes_where_the_real_one_went(recording: Recording) -> None:
    answers = ReplayAnswers(recording, "tcp://127.0.0.1:1")
    assert _asked(answers, "getrawmempool", False, True)["txids"] == recording.waiting  # noqa: FBT003 - bitcoind's own
    for frame in recording.frames:
        answers.hears(frame, read_parts(frame.body).txid if frame.topic == RAWTX else "")
    changes = [frame.body for frame in recording.frames if frame.topic == SEQUENCE]
    left = {body[:32].hex() for body in changes if body[32:33] == b"R"}
    mined = {txid for block in recording.blocks for txid in block.txids}
    entered = {body[:32].hex() for body in changes if body[32:33] == b"A"}
    waiting = _asked(answers, "getrawmempool", False, True)["txids"]  # noqa: FBT003 - bitcoind's own
    assert set(waiting) == entered.union(recording.waiting) - left - mined
    assert _asked(answers, "getbestblockhash") == recording.blocks[-1].hash
    assert _asked(answers, "getblock", recording.blocks[-1].hash, 0) == recording.blocks[-1].raw.hex()


def test_what_has_left_the_mempool_is_not_answered(recording: Recording) -> None:
    answers = ReplayAnswers(recording, "")
    answers.answer(_question("getmempoolentry", recording.waiting[0]))
    said, _ = answers.answer(_question("getmempoolentry", "00" * 32))
    assert msgspec.json.decode(said)["error"]["code"] == -5


def test_the_detector_alerts_to_the_recorded_whales_and_to_no_other(
    recording: Recording, kept: Path, tmp_path: Path
) -> None:
    with replayed(kept) as node, watcher(tmp_path / "detector", node.rpc_url, recording.threshold_sat) as it:
        it.begin(node, recording)
        sent = node.replay(400)
        until(lambda: len(it.alerts()) >= len(recording.whales), "an alert to each whale")
        it.process.stop()
        assert it.alerts().keys() == set(recording.whales)
        assert sent.unknown == []
        assert sent.at.keys() == set(recording.whales).difference(recording.waiting)


def test_a_crowd_has_the_whales_that_it_says() -> None:
    made = crowd(500, 7)
    assert len(made.waiting) == len(made.entries) == 500
    large = [txid for txid, raw in made.raw.items() if read_parts(raw).value_sat >= THRESHOLD_SAT]
    assert sorted(large) == sorted(made.whales)
    assert len(large) == 7
    assert all(read_parts(raw).txid == txid for txid, raw in made.raw.items())


def test_every_measure_of_the_detector_is_a_line() -> None:
    command = [sys.executable, "-m", "tests.bench", "detect", "--tiny", "--rounds", "1"]
    said = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True, timeout=280)
    assert said.stderr == ""
    assert [line.split()[0] for line in said.stdout.splitlines()[1:]] == [
        "detect.reject[us]",
        "detect.transaction[us]",
        "whales.p50[ms]",
        "whales.p99[ms]",
        "whales.worst[ms]",
        "whales.server_cpu[s]",
        "detect.all_in[us]",
        "detect.memory[MB]",
        "whales.p99_some_stalled[ms]",
        "whales.p99_api_saturated[ms]",
        "whales.many_p50[ms]",
        "whales.many_p99[ms]",
        "whales.many_cpu[s]",
        "detect.start_300k[s]",
        "detect.start_300k[MB]",
        "whales.live_p50[ms]",
        "whales.live_p99[ms]",
    ]


def _asked(answers: ReplayAnswers, method: str, *params: object) -> Any:  # noqa: ANN401 - JSON
    said, _ = answers.answer(_question(method, *params))
    return json.loads(said)["result"]


def _question(method: str, *params: object) -> bytes:
    return json.dumps({"method": method, "params": params, "id": 0}).encode()

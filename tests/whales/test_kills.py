"""kill -9 at any moment, a hundred times: of the detector, of the alert stream, of bitcoind, and of several at once."""

from __future__ import annotations

import random
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.whales.appliance import WhaleAppliance
from tests.whales.storm import Storm
from tests.whales.traffic import Traffic
from tests.whales.verdict import events_out_of_step, verdict
from tests.whales.watched import watched

_SEED = 4
_KILLS = 100
# So many one after the other, and then a while in which nothing is killed and everything has to be seen.
_AT_A_TIME = 20
_BETWEEN_KILLS_SECONDS, _QUIET_SECONDS = 0.4, 10.0
_ACT_SECONDS, _LOOK_SECONDS = 0.05, 0.25
_SETTLED_SECONDS = 60.0
_LEAST_SEEN = 20


def step(traffic: Traffic, are_blocks_safe: bool) -> None:  # noqa: FBT001 - as a Storm calls it
    traffic.act(with_blocks=are_blocks_safe)
    traffic.pay(1)


@pytest.mark.timeout(600)
def test_a_hundred_kills_lose_nothing_and_tell_nothing_twice(tmp_path: Path) -> None:
    with watched(tmp_path) as it, ExitStack() as stack:
        first = it.appliance.node.call("getblockcount")
        others = [stack.enter_context(it.appliance.client(last_event_id=0)) for _ in range(2)]
        chance = random.Random(f"kills/{_SEED}")  # noqa: S311 - which fault comes next is no secret
        storm = Storm(it, chance, step, step_seconds=_ACT_SECONDS, look_seconds=_LOOK_SECONDS)
        while storm.faults.total < _KILLS:
            for _ in range(_AT_A_TIME):
                storm.live(chance.uniform(0, 2 * _BETWEEN_KILLS_SECONDS))
                storm.faults.strike()
            storm.live(_QUIET_SECONDS)
        storm.end()
        ended = time.monotonic()
        it.life.mine(0)
        settle(it.appliance, storm, first, ended)
        found = verdict(it.appliance, storm.attention, first, ended)
        sys.stdout.write(
            f"kills {dict(storm.faults.kills)}; acts {dict(storm.traffic.acts)}; whales {len(found.existed)}: alerted "
            f"{len(found.alerted)} ({len(found.seen)} had to be), missed {len(found.missed)}, gone unseen "
            f"{len(found.gone_unseen)}\n"
        )
        assert found.wrong == {}
        # Else the pauses were too short for anything to be proven by them.
        assert len(found.seen) > _LEAST_SEEN
        last = it.appliance.events()[-1]["id"]
        for client in [it.client, *others]:
            client.wait_for_event(last)
        assert events_out_of_step(it.appliance, [it.client, *others]) == []


def settle(appliance: WhaleAppliance, storm: Storm, above_height: int, ended: float) -> None:
    """Return once nothing is wrong any more, or once that takes too long."""
    deadline = time.monotonic() + _SETTLED_SECONDS
    while verdict(appliance, storm.attention, above_height, ended).wrong and time.monotonic() < deadline:
        time.sleep(1)

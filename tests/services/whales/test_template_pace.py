"""A node that takes long for a template is asked for few: whoever sees a whale meanwhile waits for the answer."""

from __future__ import annotations

import pytest

from app.services.block_source import NodeUnreachableError
from app.services.whales.mempool_node import Template
from tests.fakes.whale_watch import Watch

SECONDS = 240.0


@pytest.mark.parametrize(("template_seconds", "most"), [(0.0, 41), (0.1, 3)], ids=["at once", "a tenth of a second"])
def test_waiting_for_templates_takes_a_thousandth_of_the_time(
    template_seconds: float, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch()
    answer = watch.node.template

    def slowly() -> Template | None:
        watch.clock.advance(template_seconds)
        return answer()

    monkeypatch.setattr(watch.node, "template", slowly)
    watch.start()
    watch.turns()
    for _ in range(int(SECONDS)):
        watch.send(150)
        watch.wait(1.0)
    asked = watch.node.requests.count("template")
    assert most / 2 < asked <= most
    scored = [each for each in watch.store.outcomes.values() if each.baseline_block is not None]
    assert len(scored) > SECONDS / 2


def test_a_template_that_cannot_be_had_is_waited_for_no_longer_than_one_that_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = Watch()
    vain_seconds = 10.0

    def in_vain() -> Template | None:
        watch.node.requests.append("template")
        watch.clock.advance(vain_seconds)
        raise NodeUnreachableError("does not answer in time")

    monkeypatch.setattr(watch.node, "template", in_vain)
    watch.start()
    watch.turns()
    began_seconds = watch.clock.seconds()
    for _ in range(100):
        watch.send(150)
        watch.node.mine(watch.send(160))
        watch.wait(50.0, step_seconds=5.0)
    waited_seconds = vain_seconds * watch.node.requests.count("template")
    assert 0 < waited_seconds <= 0.01 * (watch.clock.seconds() - began_seconds)
    assert watch.problems == {}
    assert len(watch.alerts()) == 200


def test_a_new_tip_is_worth_a_template_at_once() -> None:
    watch = Watch()
    watch.start()
    watch.turns()
    for blocks in range(1, 5):
        whale = watch.send(150)
        watch.wait(1.0)
        assert watch.node.requests.count("template") == blocks
        watch.node.mine(whale)
        watch.wait(0.5)
    assert all(each.baseline_block is not None for each in watch.store.outcomes.values())

"""A node that takes long for a template is asked for few: whoever sees a whale meanwhile waits for the answer."""

from __future__ import annotations

import pytest

from app.services.whales.mempool_node import Template
from tests.fakes.whale_watch import Watch

SECONDS = 60.0


@pytest.mark.parametrize(("template_seconds", "most"), [(0.0, 11), (0.1, 4)], ids=["at once", "a tenth of a second"])
def test_waiting_for_templates_takes_half_a_per_cent_of_the_time(
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

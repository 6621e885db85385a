"""A slow, obvious world for predictions: people who pay, bump and wait, and a miner who goes by feerate."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from app.domain.mempool.outlook import Outlook, Prediction

_COOL_DOWN_BLOCKS = 25


@dataclass
class Paid:
    """A transaction; `feerate` is the effective one, `whale` the prediction it is followed for."""

    key: int
    feerate: float
    vsize_vb: int
    entered_at: float
    parent: Paid | None = None
    whale: Followed | None = None


@dataclass
class Followed:
    """A prediction, the baseline's word, and the height that came of it."""

    prediction: Prediction
    in_template: bool
    tip: int
    blocks_waited: int = 0


@dataclass(frozen=True)
class Regime:
    """How the world is.

    Attributes:
        load: Demand at a moment (in blocks since the beginning), as a share of what blocks hold.
        interval: Draws the seconds between two blocks.
        space: Draws what a block holds.
        template_age: How old the miner's template is.
        share_bumps: Of what happens, the share that is a replacement or a child.
        backlog_blocks: What waits at the beginning, in blocks.
    """

    name: str
    load: Callable[[float], float]
    interval: Callable[[random.Random], float]
    space: Callable[[random.Random], int]
    size: Callable[[random.Random], int] = lambda chance: chance.choice((140, 140, 200, 220, 370, 1200))
    capacity_vb: int = 25_500
    block_seconds: float = 30.0
    template_age: float = 0.0
    share_bumps: float = 0.05
    share_packages: float = 0.05
    backlog_blocks: float = 0.0
    crowd_blocks: float = math.inf
    is_proof_of_work: bool = False
    blocks: int = 220
    warm_up_blocks: int = 12
    share_whales: float = 0.03


@dataclass
class World:
    """One regime, lived through with a seed."""

    regime: Regime
    seed: int
    followed: list[Followed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.regime.name}/{self.seed}")  # noqa: S311 - to be the same each time
        self.outlook = Outlook(is_proof_of_work=self.regime.is_proof_of_work, since=0.0)
        self.waiting: dict[int, Paid] = {}
        self.now = 0.0
        self.tip = 0
        sizes = [self.regime.size(self.chance) for _ in range(2000)]
        self.mean_vb = sum(sizes) / len(sizes)

    def live(self) -> list[Followed]:
        """Return all that was predicted; what still waits at the end counts as mined in the block after it."""
        self.outlook.block_time(0.0)
        while sum(each.vsize_vb for each in self.waiting.values()) < (
            self.regime.backlog_blocks * self.regime.capacity_vb
        ):
            self._enter(self._feerate(), self.regime.size(self.chance))
        for _ in range(self.regime.blocks):
            self._until(self.now + self.regime.interval(self.chance))
            self._mine()
        for each in self.followed:
            each.blocks_waited = each.blocks_waited or self.tip + 1 - each.tip
        return self.followed

    def _until(self, then: float) -> None:
        """Let people pay until a block is found."""
        regime = self.regime
        while True:
            load = regime.load(self.tip)
            if sum(each.vsize_vb for each in self.waiting.values()) > regime.crowd_blocks * regime.capacity_vb:
                load /= 2
            rate = load * regime.capacity_vb / self.mean_vb / regime.block_seconds
            self.now += self.chance.expovariate(rate)
            if self.now >= then:
                self.now = then
                return
            self._somebody_pays()

    def _somebody_pays(self) -> None:
        dice = self.chance.random()
        if dice < self.regime.share_bumps and self.waiting:
            self._bump(self.chance.choice(list(self.waiting.values())))
        elif dice > 1 - self.regime.share_packages:
            parent = self._enter(self._feerate(), self.regime.size(self.chance))
            self._child(parent, self._feerate() * 1.5, self.regime.size(self.chance))
        else:
            self._enter(self._feerate(), self.regime.size(self.chance))

    def _feerate(self) -> float:
        return min(100.0, max(0.5, math.exp(self.chance.gauss(1.0, 1.2))))

    def _enter(self, feerate: float, vsize_vb: int, parent: Paid | None = None) -> Paid:
        paid = Paid(self.chance.getrandbits(64), feerate, vsize_vb, self.now, parent)
        self.waiting[paid.key] = paid
        self.outlook.added(paid.key)
        self.outlook.priced(paid.key, feerate, vsize_vb, self.now)
        if self.chance.random() < self.regime.share_whales and self._is_watched():
            package_vb = vsize_vb + (parent.vsize_vb if parent and parent.feerate <= feerate else 0)
            paid.whale = Followed(
                self.outlook.prediction(feerate, package_vb, self.now), paid.key in self._template(math.inf), self.tip
            )
            self.followed.append(paid.whale)
        return paid

    def _is_watched(self) -> bool:
        """Return whether predictions are wanted: not of a world just begun, nor where the end would come too soon."""
        return self.regime.warm_up_blocks <= self.tip < self.regime.blocks - _COOL_DOWN_BLOCKS

    def _child(self, parent: Paid, feerate: float, vsize_vb: int) -> None:
        """Pay for a parent: both are mined at the feerate of the two together, if that is more than the parent's."""
        together = (parent.feerate * parent.vsize_vb + feerate * vsize_vb) / (parent.vsize_vb + vsize_vb)
        if together > parent.feerate:
            parent.feerate = together
            self.outlook.lifted(parent.key, together)
        self._enter(min(together, feerate), vsize_vb, parent)

    def _bump(self, base: Paid) -> None:
        if any(each.parent is base for each in self.waiting.values()) or base.parent is not None:
            return
        feerate = max(base.feerate * 1.3, base.feerate + 2, 20.0)
        if self.chance.random() < 1 / 2:
            self._child(base, feerate, 140)
            return
        del self.waiting[base.key]
        self.outlook.left(base.key)
        replacement = self._enter(feerate, base.vsize_vb)
        if base.whale is not None:
            # Followed to the end of the chain, under the first prediction.
            if replacement.whale is not None:
                self.followed.remove(replacement.whale)
            replacement.whale = base.whale

    def _template(self, entered_before: float, space_vb: int | None = None) -> dict[int, Paid]:
        """Return what a block would hold: the highest feerates, parents before children, whatever still fits."""
        left_vb = self.regime.capacity_vb if space_vb is None else space_vb
        block: dict[int, Paid] = {}
        order = sorted(self.waiting.values(), key=lambda each: (-each.feerate, each.entered_at))
        for paid in order:
            if paid.key in block or paid.entered_at > entered_before:
                continue
            package = [paid]
            if paid.parent is not None and paid.parent.key in self.waiting and paid.parent.key not in block:
                package.insert(0, paid.parent)
            size_vb = sum(each.vsize_vb for each in package)
            if size_vb <= left_vb:
                left_vb -= size_vb
                block.update((each.key, each) for each in package)
        return block

    def _mine(self) -> None:
        self.tip += 1
        block = self._template(self.now - self.regime.template_age, self.regime.space(self.chance))
        for key, paid in block.items():
            del self.waiting[key]
            self.outlook.mined(key)
            if paid.whale is not None:
                paid.whale.blocks_waited = self.tip - paid.whale.tip
        self.outlook.block_connected(sum(each.vsize_vb for each in block.values()), self.now)

"""What a soak has shown, as a table."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.adapters.database.scores import DatabaseScores
from app.domain.whales.accuracy import AccuracyRule
from app.domain.whales.score import Figure, Score, score_of
from tests.whales.appliance import WhaleAppliance
from tests.whales.client import FaithfulClient
from tests.whales.soak.course import Course
from tests.whales.soak.memory import Life
from tests.whales.verdict import Verdict

# Of something that was ended or started, a whale that was sent in this time before or after it tells nothing of speed.
_BEFORE_SECONDS, _AFTER_SECONDS = 1.0, 20.0
_MOST_SHOWN = 5


@dataclass(frozen=True)
class Findings:
    """All that is reported.

    Attributes:
        minutes: How long it took.
        sent: Transactions that bitcoind accepted.
        transactions: That blocks hold, coinbases aside.
        blocks: That were mined, those that were taken back aside.
        course: What was done.
        verdict: Of the whales.
        out_of_step: What clients got otherwise than once and in order.
        events: In the log.
        lives: The longest of each service.
        delays_seconds: From sending to the first client, of whales that no fault disturbed; sorted.
        score: Of the predictions.
    """

    minutes: float
    sent: int
    transactions: int
    blocks: int
    course: Course
    verdict: Verdict
    out_of_step: Sequence[str]
    events: int
    lives: Sequence[Life]
    delays_seconds: Sequence[float]
    score: Score

    @property
    def failings(self) -> list[str]:
        """What is wrong, in words."""
        wrong = self.verdict.wrong.items()
        whales = [f"{len(txids)} {what}: {', '.join(txids[:_MOST_SHOWN])}" for what, txids in wrong]
        growing = [f"{life.name} grew by {life.added_mb:.1f} MB" for life in self.lives if life.grows]
        return [*whales, *self.out_of_step, *growing]


def undisturbed_delays(client: FaithfulClient, appliance: WhaleAppliance, moments: Sequence[float]) -> list[float]:
    """Return how long it took from sending to receipt, in seconds and sorted, where no fault was near."""
    received = {each.message["txid"]: each.at_seconds for each in client.events("whale_alert")}
    ordered = sorted(moments)
    delays = []
    for sent in appliance.sent():
        at = sent.sent_at_seconds
        near = bisect.bisect(ordered, at + _BEFORE_SECONDS) - bisect.bisect(ordered, at - _AFTER_SECONDS)
        if sent.outcome == "accepted" and not near and sent.txid in received:
            delays.append(received[sent.txid] - at)
    return sorted(delays)


def score(appliance: WhaleAppliance) -> Score:
    """Return how good all predictions were whose end is known."""
    store = DatabaseScores(appliance.database, lambda: None, AccuracyRule(0.75, 0.70))
    now = datetime.now(UTC)
    return score_of(store.resolved(now - timedelta(days=1), now + timedelta(seconds=1)))


def table(findings: Findings) -> Iterator[str]:
    """Yield the lines of the report in Markdown."""
    yield f"| soak of {findings.minutes:.0f} minutes | |"
    yield "| --- | --- |"
    for name, value in _rows(findings):
        yield f"| {name} | {value} |"


def _rows(findings: Findings) -> Iterator[tuple[str, str]]:
    found, faults = findings.verdict, findings.course.storm.faults
    yield (
        "transactions sent; in blocks",
        (f"{findings.sent} ({findings.sent / findings.minutes / 60:.0f}/s); {findings.transactions}"),
    )
    yield "blocks; reorganisations", f"{findings.blocks}; {findings.course.storm.traffic.acts['reorganisation']}"
    yield "whales that existed", str(len(found.existed))
    yield (
        "alerted; missed while away; gone before anybody could see them",
        (f"{len(found.alerted)}; {len(found.missed)}; {len(found.gone_unseen)}"),
    )
    yield "lost; doubled; wrongly missed", f"{len(found.lost)}; {len(found.doubled)}; {len(found.wrongly_missed)}"
    yield (
        "events, and what clients got of them twice, never or out of order",
        (f"{findings.events}; {len(findings.out_of_step)}"),
    )
    kills = ", ".join(f"{name} {count}" for name, count in sorted(faults.kills.items()))
    yield "kill -9", kills or "none"
    yield (
        "orderly restarts of bitcoind; silences of ZMQ",
        (f"{findings.course.orderly_restarts}; {findings.course.silences}"),
    )
    yield "from sending to the client, no fault near", _delays(findings.delays_seconds)
    for life in findings.lives:
        yield f"memory of {life.name}, its longest life", _memory(life)
    yield from _quality(findings.score)


def _delays(delays: Sequence[float]) -> str:
    if not delays:
        return "no whale"
    shares = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    told = ", ".join(f"{name} {delays[int(share * (len(delays) - 1))] * 1000:.0f} ms" for name, share in shares)
    return f"{told} (n {len(delays)})"


def _memory(life: Life) -> str:
    pss = [each.pss_mb for each in life.samples]
    early, late = life.at_rest_mb
    return (
        f"{life.seconds / 60:.1f} min; PSS first {pss[0]:.1f} MB, last {pss[-1]:.1f}, most {max(pss):.1f}; its own at "
        f"rest {early:.1f} in the second quarter, {late:.1f} in the last"
    )


def _quality(found: Score) -> Iterator[tuple[str, str]]:
    ends = (found.confirmed, found.dropped, found.conflicted, found.expired)
    yield "predictions confirmed; dropped; conflicted; expired", "; ".join(map(str, ends))
    yield "on time (naive)", f"{_figure(found.accuracy)} ({_figure(found.baseline_accuracy)})"
    yield "Brier score of the next block (naive)", f"{_figure(found.brier)} ({_figure(found.baseline_brier)})"
    yield "exact (naive)", f"{_figure(found.exact)} ({_figure(found.baseline_exact)})"
    yield "within one block (naive)", f"{_figure(found.within_one)} ({_figure(found.baseline_within_one)})"
    yield "within the 80 % interval; middle of the transform", f"{_figure(found.coverage)}; {_figure(found.transform)}"


def _figure(figure: Figure) -> str:
    return f"{'too few' if figure.value is None else f'{figure.value:.3f}'}, n {figure.sample}"

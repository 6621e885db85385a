"""Whether all whales were told of, each once, and what was told is true: by the sender's record and by bitcoind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tests.whales.appliance import WhaleAppliance
from tests.whales.attention import Attention
from tests.whales.client import FaithfulClient
from tests.whales.record import whales, whales_in_chain, whales_in_mempool

# Kept in the log for others than clients.
_NOT_STREAMED = {"accuracy"}


@dataclass(frozen=True)
class Verdict:
    """What there was, what of it was told, and what is wrong with that; txids.

    Attributes:
        existed: Whales that bitcoind accepted, and whales of its blocks.
        alerted: Whales that were told of.
        missed: Whales that are recorded as having been in a block only.
        seen: In the mempool for long enough while the detector ran, so that they have to be alerted to.
        lost: Whales in the chain, in the mempool, or to be seen, of which nothing is known.
        doubled: Alerts of the same whale again, and of one that is missed.
        wrongly_missed: To be seen, and missed.
        invented: Told of, but by no record and in no block a whale, although its inputs were known.
        misplaced: In the chain, but said to be something else, or to be in another block.
    """

    existed: set[str]
    alerted: set[str]
    missed: set[str]
    seen: set[str]
    lost: set[str]
    doubled: set[str]
    wrongly_missed: set[str]
    invented: set[str]
    misplaced: set[str]

    @property
    def gone_unseen(self) -> set[str]:
        """Whales that were accepted and gone again while nobody could have seen them."""
        return self.existed - self.alerted - self.missed - self.lost

    @property
    def wrong(self) -> dict[str, list[str]]:
        """What is wrong, in words, and with which."""
        named = {
            "lost": self.lost,
            "doubled": self.doubled,
            "missed although it was in the mempool": self.wrongly_missed,
            "no whale": self.invented,
            "in another block than told": self.misplaced,
        }
        return {what: sorted(txids) for what, txids in named.items() if txids}


def verdict(appliance: WhaleAppliance, attention: Attention, above_height: int, ended_at_seconds: float) -> Verdict:
    """Judge what the detector has told of everything that happened above a height."""
    least_sat, sent = appliance.threshold_sat, appliance.sent()
    in_chain = whales_in_chain(appliance.node, above_height, least_sat).keys()
    waiting = whales_in_mempool(appliance.node, least_sat).keys()
    existed = whales(sent, least_sat, "accepted", "mined").keys() | in_chain | waiting
    alerts = Counter(event["payload"]["txid"] for event in appliance.events("whale_alert"))
    rows = appliance.whales()
    missed = {txid for txid, row in rows.items() if row["status"] == "missed"}
    # Of what was gone before it could be looked at the inputs may not be known, and then all outputs count.
    known = {txid for txid, row in rows.items() if row["inputs_resolved"]}
    seen = attention.must_have_been_seen(existed, ended_at_seconds)
    return Verdict(
        existed=set(existed),
        alerted=set(alerts),
        missed=missed,
        seen=seen,
        lost=((in_chain | waiting) - alerts.keys() - missed) | (seen - alerts.keys() - missed),
        doubled={txid for txid, count in alerts.items() if count > 1} | (missed & alerts.keys()),
        wrongly_missed=seen & missed,
        invented=((alerts.keys() | missed) & known) - existed - whales(sent, least_sat, "unknown").keys(),
        misplaced={txid for txid in in_chain if txid in rows and not _is_in_its_block(appliance, rows[txid])},
    )


def events_out_of_step(appliance: WhaleAppliance, clients: Iterable[FaithfulClient]) -> list[str]:
    """Return what clients that began with the first event have got otherwise than once and in the order of the log."""
    log = [row["id"] for row in appliance.events() if row["type"] not in _NOT_STREAMED]
    problems = [fault for client in clients for fault in client.faults]
    for client in clients:
        got = [each.event_id for each in client.events()]
        if got != log[: len(got)] or len(got) < len(log):
            problems.append(f"{len(got)} events of {len(log)}, {len(set(log) - set(got))} never")
    return problems


def _is_in_its_block(appliance: WhaleAppliance, row: dict[str, object]) -> bool:
    block_hash = appliance.node.call("getrawtransaction", row["txid"], 1).get("blockhash")
    return row["status"] in {"confirmed", "missed"} and row["block_hash"] == block_hash

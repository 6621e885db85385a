"""Where bitcoind publishes, seen from here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.adapters.bitcoind_mempool_forms import Notification

TOPICS = ("rawtx", "sequence")
_ANY_HOST = re.compile(r"tcp://(\*|0\.0\.0\.0|\[::\]):(\d+)")


def addresses_of(notifications: Iterable[Notification], rpc_url: str) -> Mapping[str, str]:
    """Return an address for each topic that is published; the same one where that is possible.

    Over one connection everything comes in order. A topic of two connections would come twice.

    Args:
        notifications: What the node publishes, and where; more than one address a topic is usual.
        rpc_url: Where the node is, for one that publishes on all addresses that its host has.
    """
    published = list(notifications)
    by_topic = {
        topic: [_seen_from_here(each.address, rpc_url) for each in published if each.type == f"pub{topic}"]
        for topic in TOPICS
    }
    common = next((each for each in by_topic["rawtx"] if each in by_topic["sequence"]), None)
    return {topic: common or found[0] for topic, found in by_topic.items() if found}


def _seen_from_here(address: str, rpc_url: str) -> str:
    anywhere = _ANY_HOST.fullmatch(address)
    if anywhere is None:
        return address
    host = urlsplit(rpc_url).hostname or ""
    return f"tcp://{f'[{host}]' if ':' in host else host}:{anywhere[2]}"

"""Print a line for every whale, and one for whatever becomes of it.

python print_whales.py https://node.example:8443 --cafile certificate.pem --user watcher --min-btc 500
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from node_arguments import add_filter_arguments, add_node_arguments, filters_of, follow
from whale_stream import RefusedError

if TYPE_CHECKING:
    from whale_stream import Message


def main() -> None:
    """Print until interrupted; exit 2 when the node refuses, or what was asked cannot be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_node_arguments(parser)
    add_filter_arguments(parser)
    arguments = parser.parse_args()
    try:
        for message in follow(arguments, filters_of(arguments), arguments.bookmark):
            if line := line_of(message):
                print(line, flush=True)
    except RefusedError as error:
        parser.exit(2, f"{error}\n")


def line_of(message: Message) -> str:
    """Return what people read of a message; nothing of one that is about no whale."""
    match message["type"]:
        case "whale_alert":
            said = f"{_movement(message)}, {_forecast(message)}"
            return f"{_time(message['detected_at'])}  seen       {_whale(message)}  {said}"
        case "status_update":
            return f"{_time(message['at'])}  {_status(message):<10} {_whale(message)}  {_circumstances(message)}"
        case "resync_required":
            return f"-- whales may be missing here: {message['reason']}"
        case "connection":
            return f"-- {message['status']}: {message['reason'] or 'nothing is late any longer'}"
    return ""


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def _whale(message: Message) -> str:
    return f"{message['txid']}  {message['btc_value']:>12,.2f} BTC  {message['flow_type']:<8}"


def _movement(alert: Message) -> str:
    names = f" ({', '.join(alert['exchange_labels'])})" if alert["exchange_labels"] else ""
    feerate = "unknown fee" if alert["fee_rate"] is None else f"{alert['fee_rate']:g} sat/vB"
    return f"{alert['kind']}{names} at {feerate}"


def _forecast(alert: Message) -> str:
    if alert["predicted_block"] is None:
        return "no prediction"
    if alert["earliest_block"] is None:
        return f"block {alert['predicted_block']}"
    return (
        f"block {alert['predicted_block']}, from {alert['earliest_block']} to {alert['latest_block']} at 80 %, "
        f"the next one at {alert['next_block_probability']:.0%}"
    )


def _status(update: Message) -> str:
    return "final" if update["is_final"] else str(update["status"])


def _circumstances(update: Message) -> str:
    """Return what stands beside a status: where, by what, why, and whether as predicted."""
    told = [f"{update['status']} as before"] if update["is_final"] else []
    if update["block_height"] is not None:
        told.append(f"block {update['block_height']}")
    if update["replaced_by"] is not None:
        told.append(f"by {update['replaced_by']}")
    if update["reason"] in {"reorganisation", "returned"}:
        told.append(f"no longer {update['previous_status']} ({update['reason']})")
    if update["on_time"] is not None:
        told.append("as early as predicted" if update["on_time"] else "not as early as predicted")
    return ", ".join(told)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()

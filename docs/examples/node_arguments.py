"""What the commands of this folder are told: which node, who signs in, and which whales are wanted."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from account import Account
from whale_stream import FileBookmark, Filters, Token, events

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from whale_stream import Bookmark, Message


def add_node_arguments(parser: ArgumentParser) -> None:
    """Let `parser` take which node it is, and who signs in."""
    parser.add_argument("node", help="like https://node.example:8443; on the host itself http://127.0.0.1:8001")
    parser.add_argument("--stream", help="address of the stream, where it is not /ws/whales of the node")
    parser.add_argument("--cafile", help="copy of the node's certificate, if it is self-signed")
    parser.add_argument("--user", help="who signs in; the password is asked for, or UTXORACLE_PASSWORD has it")


def add_filter_arguments(parser: ArgumentParser) -> None:
    """Let `parser` take which whales are wanted, and where it is remembered which were told of."""
    parser.add_argument("--min-btc", type=float, help="the least that a whale moves")
    parser.add_argument("--min-urgency", type=float, help="the least urgency score, 0 to 1")
    parser.add_argument("--flow", action="append", help="inflow, outflow, internal or unknown; may be repeated")
    parser.add_argument("--status", action="append", help="like pending or confirmed; may be repeated")
    parser.add_argument("--bookmark", type=Path, help="file that remembers where to go on")


def follow(arguments: Namespace, filters: Filters | None = None, bookmark: Bookmark | None = None) -> Iterator[Message]:
    """Yield the messages that `arguments` ask for; see `events`."""
    stream = arguments.stream or _stream_of(arguments.node)
    return events(stream, _sign_in(arguments), filters=filters, bookmark=bookmark, cafile=arguments.cafile)


def filters_of(arguments: Namespace) -> Filters:
    """Return the filters that were given."""
    return Filters(
        min_btc=arguments.min_btc,
        min_urgency=arguments.min_urgency,
        flow_types=arguments.flow,
        statuses=arguments.status,
    )


def bookmark_of(arguments: Namespace) -> Bookmark | None:
    """Return the bookmark that was given."""
    return FileBookmark(arguments.bookmark) if arguments.bookmark else None


def _sign_in(arguments: Namespace) -> Callable[[], Token]:
    if not arguments.user:
        token = os.environ.get("UTXORACLE_TOKEN") or getpass.getpass("Access token: ")
        return lambda: Token(token)
    password = os.environ.get("UTXORACLE_PASSWORD") or getpass.getpass()
    return Account(arguments.node, arguments.user, password, cafile=arguments.cafile)


def _stream_of(node: str) -> str:
    parts = urlsplit(node)
    return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/ws/whales"

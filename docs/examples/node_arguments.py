"""What the commands of this folder are told: which node, who signs in, and which whales are wanted."""

from __future__ import annotations

import getpass
import os
import ssl
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from account import Account
from whale_stream import FileBookmark, Filters, Token, events

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from whale_stream import Bookmark, Message

FLOWS = ("inflow", "outflow", "internal", "unknown")


def add_node_arguments(parser: ArgumentParser) -> None:
    """Let `parser` take which node it is, and who signs in."""
    parser.add_argument(
        "node", type=_api_address, help="like https://node.example:8443; on the host itself http://127.0.0.1:8001"
    )
    parser.add_argument(
        "--stream", type=_stream_address, help="address of the stream, where it is not /ws/whales of the node"
    )
    parser.add_argument("--cafile", type=_certificates, help="copy of the node's certificate, if it is self-signed")
    parser.add_argument("--user", help="who signs in; the password is asked for, or UTXORACLE_PASSWORD has it")


def add_filter_arguments(parser: ArgumentParser) -> None:
    """Let `parser` take which whales are wanted, and where it is remembered which were told of."""
    parser.add_argument("--min-btc", type=float, help="the least that a whale moves")
    parser.add_argument("--min-urgency", type=_share, help="the least urgency score, 0 to 1")
    parser.add_argument("--flow", action="append", choices=FLOWS, help="which way they go; may be repeated")
    parser.add_argument("--status", action="append", help="like pending or confirmed; may be repeated")
    parser.add_argument("--bookmark", type=_bookmark, help="file that remembers where to go on")


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


def _sign_in(arguments: Namespace) -> Callable[[], Token]:
    if not arguments.user:
        token = os.environ.get("UTXORACLE_TOKEN") or getpass.getpass("Access token: ")
        return lambda: Token(token)
    password = os.environ.get("UTXORACLE_PASSWORD") or getpass.getpass()
    return Account(arguments.node, arguments.user, password, cafile=arguments.cafile)


def _stream_of(node: str) -> str:
    parts = urlsplit(node)
    return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/ws/whales"


def _api_address(text: str) -> str:
    return _address(text, "a REST API", "https", "http")


def _stream_address(text: str) -> str:
    return _address(text, "a stream", "wss", "ws")


def _address(text: str, of: str, *schemes: str) -> str:
    """Return `text` if it is an address that can be gone to."""
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        raise ArgumentTypeError(f"{text} is not the address of {of}; it begins with {schemes[0]}:// or {schemes[1]}://")
    return text


def _certificates(text: str) -> str:
    """Return `text` if it names a file that certificates can be trusted by."""
    try:
        ssl.create_default_context(cafile=text)
    except ssl.SSLError as error:
        raise ArgumentTypeError(f"{text} holds no certificate") from error
    except OSError as error:
        raise ArgumentTypeError(f"{text} cannot be read ({error.strerror})") from error
    return text


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ArgumentTypeError(f"{text} is not from 0 to 1")
    return share


def _bookmark(text: str) -> FileBookmark:
    """Return the bookmark in the file `text`, which can be read, and be made if it is not there."""
    file = Path(text)
    bookmark = FileBookmark(file)
    try:
        bookmark.read()
    except OSError as error:
        raise ArgumentTypeError(f"{text} cannot be read ({error.strerror})") from error
    except (ValueError, TypeError) as error:
        raise ArgumentTypeError(
            f"{text} is no bookmark; without it the next run begins with what comes then"
        ) from error
    if not os.access(file.parent, os.W_OK):
        raise ArgumentTypeError(f"{text} cannot be written there")
    return bookmark

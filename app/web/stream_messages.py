"""The messages of the alert stream, as docs/asyncapi.yaml describes them."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from app.web.stream_frames import text_frame

if TYPE_CHECKING:
    from app.services.event_log import Event

PROTOCOL = 1

# Types of the log's entries that clients are told; others are for the appliance itself.
STREAMED = frozenset({"whale_alert", "status_update", "price_update", "fee_update", "reorg"})

Token = Annotated[str, Meta(min_length=1)]
EventId = Annotated[int, Meta(ge=0, le=2**63 - 1)]
ShortText = Annotated[str, Meta(max_length=64)]
ErrorCode = Literal["bad_frame", "unauthenticated", "forbidden", "unavailable"]


class _Client(msgspec.Struct, tag_field="type", forbid_unknown_fields=True):
    pass


class Auth(_Client, tag="auth"):
    """The first frame, and later the renewal; holds one of both."""

    token: Token | None = None
    ticket: Token | None = None


class Filters(msgspec.Struct, forbid_unknown_fields=True):
    """Which whales a client wants, all of it together; whatever is no whale comes in any case."""

    min_btc: Annotated[float, Meta(ge=0)] | None = None
    flow_types: list[Literal["inflow", "outflow", "internal", "unknown"]] | None = None
    min_urgency: Annotated[float, Meta(ge=0, le=1)] | None = None
    statuses: list[Literal["pending", "confirmed", "replaced", "dropped", "conflicted", "expired"]] | None = None


class Subscribe(_Client, tag="subscribe"):
    """Asks for events: those after `last_event_id` first, if it is given, and then each as it comes."""

    filters: Filters = msgspec.field(default_factory=Filters)
    last_event_id: EventId | None = None
    log_identity: ShortText | None = None


class Unsubscribe(_Client, tag="unsubscribe"):
    """Asks for no further events."""


class Ping(_Client, tag="ping"):
    """Asks for a pong."""


ClientMessage = Auth | Subscribe | Unsubscribe | Ping


class _Server(msgspec.Struct, tag_field="type"):
    pass


class Welcome(_Server, tag="welcome"):
    """Answers `auth`."""

    protocol: int
    log_identity: str
    last_event_id: int
    token_expires_at: Annotated[datetime, Meta(tz=True)]
    heartbeat_seconds: float


class Connection(_Server, tag="connection"):
    """Says how the connection is: (un)subscribed by wish of the client, or degraded for everyone."""

    status: Literal["subscribed", "unsubscribed", "degraded", "recovered"]
    reason: str | None = None


class Pong(_Server, tag="pong"):
    """Answers `ping`."""


class ResyncRequired(_Server, tag="resync_required"):
    """Says that events are missing which cannot be sent again; the stream goes on after `last_event_id`."""

    reason: Literal["log_replaced", "unknown_event", "too_old"]
    log_identity: str
    last_event_id: int


class Error(_Server, tag="error"):
    """Says what was wrong, before the connection is closed for it, or why a token could not be renewed yet."""

    code: ErrorCode
    message: str


ServerMessage = Welcome | Connection | Pong | ResyncRequired | Error

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ClientMessage)


def read(text: str) -> ClientMessage:
    """Return the message of a client; raise ValueError with what is wrong with it."""
    try:
        message: ClientMessage = _decoder.decode(text)
    except RecursionError:
        raise ValueError("the message is nested too deeply") from None
    if isinstance(message, Auth) and (message.token is None) == (message.ticket is None):
        raise ValueError("`auth` takes either a `token` or a `ticket`")
    return message


def frame(message: ServerMessage) -> bytes:
    """Return `message` as the bytes of one unmasked text frame."""
    return text_frame(_encoder.encode(message))


def event_frame(event: Event) -> bytes:
    """Return an entry of the log as the bytes of one unmasked text frame, alike for all clients."""
    message: dict[str, object] = {"type": event.type, "event_id": event.id}
    message |= {name: value for name, value in event.payload.items() if name not in message}
    return text_frame(_encoder.encode(message))

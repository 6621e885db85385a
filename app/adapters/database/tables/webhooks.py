"""Who is told of events by webhook, and what became of each message."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.database.base import Base, not_negative, one_of


class WebhookEndpointRow(Base):
    """An address that wants events of `event_types`; `last_event_id` is how far in the log it has been served.

    While the secret rotates, messages carry a second signature by `previous_secret` until `previous_secret_until`.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        UniqueConstraint("url"),
        CheckConstraint(
            "(previous_secret IS NULL) = (previous_secret_until IS NULL)", name="previous_secret_until_when"
        ),
        not_negative("last_event_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str]
    description: Mapped[str]
    secret: Mapped[str]
    previous_secret: Mapped[str | None]
    previous_secret_until: Mapped[datetime | None]
    event_types: Mapped[list[str]]
    is_enabled: Mapped[bool]
    disabled_reason: Mapped[str | None]
    last_event_id: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WebhookDeliveryRow(Base):
    """One message to one endpoint; `body` is signed as it stands.

    `event_id` does not refer to the log, which forgets sooner, and is null for a test message.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        # An event is not queued twice, whenever the worker was stopped.
        UniqueConstraint("endpoint_id", "event_id"),
        Index(None, "status", "next_attempt_at"),
        Index(None, "endpoint_id", "id"),
        Index(None, "created_at"),
        one_of("status", "pending", "delivered", "failed", "exhausted"),
        not_negative("attempts"),
        CheckConstraint("(status = 'pending') = (next_attempt_at IS NOT NULL)", name="next_attempt_when_pending"),
        CheckConstraint("(status = 'delivered') = (delivered_at IS NOT NULL)", name="delivered_when"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    event_id: Mapped[int | None]
    message_id: Mapped[str]
    event_type: Mapped[str]
    body: Mapped[str]
    status: Mapped[str]
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime | None]
    last_attempt_at: Mapped[datetime | None]
    last_status_code: Mapped[int | None]
    last_error: Mapped[str | None]
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]

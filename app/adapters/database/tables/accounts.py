"""People and machines that may sign in, and tokens that are no longer accepted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.database.base import Base, hash_text, one_of

_ROLES = ("viewer", "operator", "admin")


class UserRow(Base):
    """An account; the password is kept as its hash, and tokens of an earlier epoch are worth nothing."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("username"), one_of("role", *_ROLES))

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str]
    password_hash: Mapped[str]
    role: Mapped[str]
    is_active: Mapped[bool]
    created_at: Mapped[datetime]
    password_changed_at: Mapped[datetime]
    session_epoch: Mapped[int]


class ApiTokenRow(Base):
    """A long-lived token of a machine, kept as the SHA-256 of it in hexadecimal; `scopes` narrows its role."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        Index(None, "user_id"),
        one_of("role", *_ROLES),
        hash_text("token_hash"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    token_hash: Mapped[str]
    role: Mapped[str]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class RevokedTokenRow(Base):
    """The id of a signed token, or of a family of refresh tokens; worth keeping until `expires_at`."""

    __tablename__ = "revoked_tokens"
    __table_args__ = (Index(None, "expires_at"),)

    token_id: Mapped[str] = mapped_column(primary_key=True)
    revoked_at: Mapped[datetime]
    expires_at: Mapped[datetime]

"""What all tables share: names of constraints, times in UTC, and checks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import JSON, BigInteger, CheckConstraint, DateTime, Double, Integer, MetaData, Text
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

# SQLite changes a table by copying it, and can drop only constraints that have a name.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# SQLite fills in only a key declared INTEGER, which holds 64 bits there.
INTEGER_64 = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """A time kept as UTC: aware in Python on every database; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - alike on all
        """Return `value` in UTC; raise ValueError when it does not say its zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone; the database keeps aware times only")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - alike on all
        """Return `value` as aware UTC; SQLite hands it out without its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Every table is declared as a subclass, in `app.adapters.database.tables`."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        int: INTEGER_64,
        float: Double,
        str: Text,
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[dict[str, Any]]: JSON,
    }


def one_of(column: str, *values: str) -> CheckConstraint:
    """Return the check that `column` is one of `values`, or null where it may be."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def share(column: str) -> CheckConstraint:
    """Return the check that `column` lies within 0 and 1, or is null where it may be."""
    return CheckConstraint(f"{column} >= 0 AND {column} <= 1", name=f"{column}_share")


def not_negative(column: str) -> CheckConstraint:
    """Return the check that `column` is 0 or more, or is null where it may be."""
    return CheckConstraint(f"{column} >= 0", name=f"{column}_not_negative")


def hash_text(column: str) -> CheckConstraint:
    """Return the check that `column` is as long as a hash of 32 bytes in hexadecimal."""
    return CheckConstraint(f"length({column}) = 64", name=f"{column}_length")

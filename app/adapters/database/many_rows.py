"""Many rows at once, in statements of a size that both databases take."""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import BindParameter, bindparam
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from app.adapters.database.base import Base

Item = TypeVar("Item")

# For `column.in_(KEYS)` in a statement that is made once; executed with `{KEYS.key: chunk}`, each chunk of `chunks`.
KEYS: BindParameter[Any] = bindparam("keys", expanding=True)

# SQLite of Debian 12 takes 32,766 parameters a statement; more keys than these make none faster.
_CHUNK = 500


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield `items` in lists of at most 500, as many as a statement should ask for."""
    rest = iter(items)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def insert_absent(connection: Connection, table: type[Base], key: str, rows: Sequence[Mapping[str, Any]]) -> set[Any]:
    """Insert those of `rows` whose `key` the table does not have; return the keys of those."""
    if not rows:
        return set()
    statement = _insert_absent(connection.dialect.name, table, key)
    return set(connection.execute(statement, _in_order(rows, (key,))).scalars())


def upsert(
    connection: Connection,
    table: type[Base],
    key: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
    kept: Collection[str] = (),
) -> None:
    """Insert `rows`; a row whose `key` is there already becomes the new one, but for the columns `kept`."""
    if not rows:
        return
    changed = tuple(name for name in rows[0] if name not in key and name not in kept)
    connection.execute(_upsert(connection.dialect.name, table, key, changed), _in_order(rows, key))


def _in_order(rows: Sequence[Mapping[str, Any]], key: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return `rows` by `key`: two who lock the same rows in one order never wait for each other."""
    return [dict(row) for row in sorted(rows, key=lambda row: tuple(row[name] for name in key))]


# Kept, since SQLAlchemy takes longer for a statement that it has not seen before than the database for the rows.
@cache
def _insert_absent(dialect: str, table: type[Base], key: str) -> Any:  # noqa: ANN401 - as _insert
    column = getattr(table, key)
    return _insert(dialect)(table).on_conflict_do_nothing(index_elements=[column]).returning(column)


@cache
def _upsert(dialect: str, table: type[Base], key: tuple[str, ...], changed: tuple[str, ...]) -> Any:  # noqa: ANN401
    statement = _insert(dialect)(table)
    return statement.on_conflict_do_update(
        index_elements=[getattr(table, name) for name in key],
        set_={name: statement.excluded[name] for name in changed},
    )


def _insert(dialect: str) -> Any:  # noqa: ANN401 - either dialect's own, which no base class joins
    return postgresql.insert if dialect == "postgresql" else sqlite.insert

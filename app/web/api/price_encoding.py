"""The JSON of `/api/prices/historical`, made piece by piece: a year of rows at once would stop the loop for seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from app.web.api.price_answers import TIMES, Frame
from app.web.compression import let_others_run

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from app.services.price_history import Bucket
    from app.services.price_view import Timeframe

    Page = Sequence[Sequence[Any]]


# Of a column: as much as is compressed in a millisecond or two.
_PAGES_TOGETHER = 16

# Of means: enough for a confidence, and for the prices of the first years.
_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for; equal ones are answered alike while the table does not change."""

    frame: Timeframe
    bucket: Bucket
    names: tuple[str, ...]
    by_column: bool


def encoded(wanted: Wanted, pages: Iterable[Page]) -> Iterator[bytes]:
    """Yield the JSON of a History in pieces."""
    frame = Frame(wanted.frame.start.isoformat(), wanted.frame.end.isoformat())
    yield b'{"timeframe":%b,"bucket":%b' % (msgspec.json.encode(frame), msgspec.json.encode(wanted.bucket))
    pages = _in_turns(pages) if wanted.bucket == "raw" else _rounded(_in_turns(pages))
    count = yield from (_by_column if wanted.by_column else _by_row)(wanted.names, pages)
    yield b',"count":%d,"next_cursor":null}' % count


def _in_turns(pages: Iterable[Page]) -> Iterator[Page]:
    for page in pages:
        if page:
            yield page
        let_others_run()


def _rounded(pages: Iterable[Page]) -> Iterator[Page]:
    """Yield means without digits that mean nothing, which would be half of the answer."""
    for page in pages:
        yield [[round(each, _DECIMALS) if isinstance(each, float) else each for each in row] for row in page]


def _by_row(names: Sequence[str], pages: Iterable[Page]) -> Generator[bytes, None, int]:
    count = 0
    yield b',"items":['
    for page in pages:
        rows = zip(*_columns(names, page), strict=True)
        items = _without_brackets([dict(zip(names, row, strict=True)) for row in rows])
        yield b"," + items if count else items
        count += len(page)
    yield b"]"
    return count


def _by_column(names: Sequence[str], pages: Iterable[Page]) -> Generator[bytes, None, int]:
    count = 0
    pieces: list[list[bytes]] = [[] for _ in names]
    for page in pages:
        for gathered, column in zip(pieces, _columns(names, page), strict=True):
            gathered.append(_without_brackets(column))
        count += len(page)
    for opening, name, gathered in zip([b',"columns":{', *[b"],"] * len(names)], names, pieces, strict=False):
        yield opening + msgspec.json.encode(name) + b":["
        for start in range(0, len(gathered), _PAGES_TOGETHER):
            piece = b",".join(gathered[start : start + _PAGES_TOGETHER])
            yield b"," + piece if start else piece
            if len(gathered) > _PAGES_TOGETHER:
                let_others_run()
    yield b"]}"
    return count


def _columns(names: Sequence[str], page: Page) -> Iterator[Sequence[Any]]:
    for name, column in zip(names, zip(*page, strict=True), strict=True):
        yield [each and each.isoformat() for each in column] if name in TIMES else column


def _without_brackets(values: Sequence[Any]) -> bytes:
    return msgspec.json.encode(values)[1:-1]

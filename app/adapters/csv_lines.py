"""Lines of a CSV file with a header, whatever its columns are."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from app.services.price_import import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO


def csv_lines(text: TextIO, problem_of: Callable[[list[str]], str | None]) -> Iterator[Line]:
    """Yield the lines, but for the header and empty ones; what is wrong with one stands in its place.

    Args:
        text: UTF-8 text, opened with newline="".
        problem_of: Says what is wrong with the columns that the header names; None for nothing. With a problem nothing
            but that is yielded.
    """
    reader = csv.reader(text, strict=True)
    try:
        columns = [each.strip() for each in next(reader, [])]
        if problem := problem_of(columns):
            yield Line(1, ValueError(problem))
            return
        for cells in reader:
            if len(cells) == len(columns):
                yield Line(reader.line_num, dict(zip(columns, cells, strict=True)))
            elif cells:
                yield Line(reader.line_num, ValueError(f"it has {len(cells)} cells, and the header {len(columns)}"))
    except UnicodeDecodeError:
        yield Line(
            reader.line_num + 1, ValueError("here, or soon after, the file is not UTF-8 text; the rest is not read")
        )
    except csv.Error as error:
        yield Line(reader.line_num, ValueError(f"it is no CSV ({error}); the rest is not read"))

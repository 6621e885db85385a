"""JSON from somebody who may send anything."""

from __future__ import annotations

from typing import TypeVar

import msgspec

Form = TypeVar("Form")


class NoJsonError(ValueError):
    """The bytes are not the JSON that was to be expected; the message says why not."""


def json_of(content: bytes | msgspec.Raw, form: type[Form]) -> Form:
    """Return what `content` says as a `form`, which is `object` for any JSON; raise NoJsonError when it is none."""
    try:
        return msgspec.json.decode(content, type=form)
    # msgspec checks text only when it is looked at, and counts on the interpreter to stop it in brackets without end.
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NoJsonError(str(error)) from error

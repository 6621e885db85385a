"""The one error that reading untrusted bytes may end with."""

from __future__ import annotations


class MalformedBlockError(ValueError):
    """The bytes are no block as Bitcoin serialises it; the message says what is wrong and where."""

"""The one way in which an estimate may fail on sound blocks."""

from __future__ import annotations


class NotEnoughDataError(Exception):
    """The window holds too little for an estimate; the message says what is missing."""

"""What comes back by HTTP, what it may take, and why it may not come."""

from __future__ import annotations

from dataclasses import dataclass


class NoAnswerError(Exception):
    """There is no whole answer; the message goes on where a sentence has named who was asked."""


class TooSlowError(NoAnswerError):
    """There may be an answer, but not in time."""


class TooLargeError(NoAnswerError):
    """The answer is larger than what was asked for can be."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and the whole body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an answer may take.

    Attributes:
        connect_seconds: For the connection.
        answer_seconds: For each wait on the other side, and for the body as a whole.
        max_bytes: Of the body, unpacked.
    """

    connect_seconds: float
    answer_seconds: float
    max_bytes: int

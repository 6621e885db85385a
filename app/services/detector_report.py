"""What the detector last said of itself, for health, figures and the acceptance test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.services.whales.watching import SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from app.services.heartbeats import Heartbeats

# Of its own accord it speaks every 10 seconds.
SILENT_SECONDS = 30.0
SEE_LOG = "see `systemctl status utxoracle-detector` and its log"


@dataclass(frozen=True, slots=True)
class DetectorReport:
    """Its last word.

    Attributes:
        age_seconds: How long ago that was.
        problems: What was wrong, by its kind (`node`, `store`, `stream`, `blocks`, `memory`), in words for operators.
        figures: Those of `app.services.whales.detector`; none before it has had an answer from the node.
        is_stream_wanted: Whether it is meant to hear what the node publishes.
    """

    age_seconds: float
    problems: Mapping[str, str]
    figures: Mapping[str, Any]
    is_stream_wanted: bool = True

    @property
    def is_silent(self) -> bool:
        """Whether it should have spoken again by now."""
        return self.age_seconds > SILENT_SECONDS

    @property
    def is_on_stream(self) -> bool:
        """Whether it hears what the node publishes, and need not ask for it."""
        return self.figures.get("source") == "stream"

    @property
    def lacks_stream(self) -> bool:
        """Whether it asks although it is meant to hear."""
        return self.is_stream_wanted and not self.is_on_stream

    def silence(self) -> str:
        """Return how long it has been silent, and what to do."""
        return f"the detector has said nothing for {self.age_seconds:.0f} s; {SEE_LOG}"

    def trouble(self) -> str:
        """Return what is wrong; empty when nothing is."""
        not_yet = "the node's ZMQ stream is not heard yet; polling" if self.lacks_stream else ""
        return "; ".join(self.problems.values()) or not_yet

    def progress(self) -> str:
        """Return how far it is, what it has to catch up on, and what it could not keep."""
        return ", ".join(self._parts()) if self.figures else "nothing is known of the mempool yet"

    def _parts(self) -> Iterator[str]:
        figures = self.figures
        yield str(figures["source"])
        yield f"{_counted(figures['followed'], 'whale')} followed"
        yield f"{_counted(figures['waiting'], 'transaction')} waiting"
        if figures["unread"]:
            yield f"{figures['unread']:,} of them still to be looked at"
        for name, noun, what in (
            ("blocks_to_read", "block", "still to be read"),
            ("let_go", "whale", "let go for want of room"),
            ("lost_blocks", "block", "lost, which the node could not give"),
            ("lost_messages", "message", "lost and made up for"),
        ):
            if figures[name]:
                yield f"{_counted(figures[name], noun)} {what}"


class DetectorView:
    """Asks `heartbeats` for the last word, as of now, of a detector that is meant to hear the stream, or is not."""

    def __init__(self, heartbeats: Heartbeats, clock: Callable[[], datetime], *, is_stream_wanted: bool = True) -> None:
        self._heartbeats = heartbeats
        self._clock = clock
        self._is_stream_wanted = is_stream_wanted

    def report(self) -> DetectorReport | None:
        """Return it; None when the detector has never been at work. May raise StorageError."""
        last = self._heartbeats.last(SERVICE)
        if last is None:
            return None
        figures = {name: value for name, value in last.detail.items() if name != "problems"}
        age_seconds = max(0.0, (self._clock() - last.beat_at).total_seconds())
        return DetectorReport(age_seconds, last.detail["problems"], figures, self._is_stream_wanted)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

"""Whether both halves of the stream speak: the bytes of transactions, and the word of what happens to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from app.services.whales.mempool_node import Topic

if TYPE_CHECKING:
    from collections.abc import Collection

Half = Literal["rawtx", "sequence"]

_OTHER: dict[Half, Half] = {"rawtx": "sequence", "sequence": "rawtx"}
_PATIENCE_SECONDS = 5.0
# The last bytes before a lull, whose word was lost, are no reason to believe that there will be none any more.
_LEAST_TURNS = 3

_SAYS: dict[Half, frozenset[Topic]] = {
    "rawtx": frozenset({Topic.RAW}),
    "sequence": frozenset({Topic.ADDED, Topic.REMOVED, Topic.CONNECTED, Topic.DISCONNECTED}),
}
# To which the other half has something to say; bytes come before a word, and what leaves has none.
_NEEDS_OTHER: dict[Half, frozenset[Topic]] = {
    "rawtx": _SAYS["rawtx"],
    "sequence": _SAYS["sequence"] - {Topic.REMOVED},
}


class HalfSilence:
    """Notices when one half speaks and the other says nothing to it.

    Attributes:
        mute: The half that is not heard; None while both are, or neither has anything to say.
    """

    def __init__(self) -> None:
        self.mute: Half | None = None
        self._speaker: Half | None = None
        self._alone_seconds = 0.0
        self._turns = 0
        self._noted_at = 0.0

    @property
    def is_one_alone(self) -> bool:
        """Whether one half has said something to which the other has yet to say its own."""
        return self._speaker is not None

    def note(self, topics: Collection[Topic], listened_seconds: float) -> bool:
        """Note what a turn brought, by `ListeningTime`; return whether what came lately may have been half heard."""
        passed_seconds, self._noted_at = listened_seconds - self._noted_at, listened_seconds
        if self._speaker is None:
            self._speaker = _alone(topics)
            self._alone_seconds, self._turns = 0.0, 1
            return False
        if not _SAYS[_OTHER[self._speaker]].isdisjoint(topics):
            was_mute, self.mute, self._speaker = self.mute, None, None
            return was_mute is not None
        return self.mute is None and self._goes_on_alone(topics, passed_seconds)

    def _goes_on_alone(self, topics: Collection[Topic], passed_seconds: float) -> bool:
        speaks = self._speaker is not None and not _NEEDS_OTHER[self._speaker].isdisjoint(topics)
        was_patient = self._alone_seconds < _PATIENCE_SECONDS
        self._alone_seconds += passed_seconds
        self._turns += speaks
        if self._alone_seconds < _PATIENCE_SECONDS:
            return False
        if self._speaker is not None and self._turns >= _LEAST_TURNS:
            self.mute = _OTHER[self._speaker]
        return speaks or was_patient


def _alone(topics: Collection[Topic]) -> Half | None:
    """Return the half that has said something to which the other has said nothing."""
    for half, other in _OTHER.items():
        if not _NEEDS_OTHER[half].isdisjoint(topics) and _SAYS[other].isdisjoint(topics):
            return half
    return None

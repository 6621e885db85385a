"""A hash table from 64-bit keys to a band, a size and a mark, at 14 bytes a slot: a dict takes ten times that."""

from __future__ import annotations

from array import array

_SMALLEST = 1 << 10
_EMPTY, _NOWHERE = 0, -1
_FULL_SHARE = 0.75
_MARK = 1 << 31
_SIZE = _MARK - 1
# The first 64 bits of the golden ratio, made odd.
MULTIPLIER = 0x9E3779B97F4A7C15


class Table:
    """Open addressing with linear probing; removing closes the gap, so nothing slows down with time.

    A key of 0 means an empty slot, and cannot be put.

    Args:
        multiplier: An odd number of 64 bits. Whoever knows it can choose keys that share a slot and make everything
            slow; so whoever reads keys from strangers gives one that he drew himself.
    """

    def __init__(self, multiplier: int = MULTIPLIER) -> None:
        self._multiplier = multiplier | 1
        self._count = 0
        self._allocate(_SMALLEST)

    def __len__(self) -> int:
        """Return how many keys there are."""
        return self._count

    @property
    def bytes_used(self) -> int:
        """What the slots take."""
        return sum(len(column) * column.itemsize for column in (self._keys, self._bands, self._sizes))

    def find(self, key: int) -> int:
        """Return the slot of a key, or -1; slots are good until something is added or removed."""
        keys, mask = self._keys, self._mask
        slot = (key * self._multiplier >> 64) & mask
        while there := keys[slot]:
            if there == key:
                return slot
            slot = (slot + 1) & mask
        return _NOWHERE

    def put(self, key: int, band: int, vsize_vb: int, *, mark: bool) -> None:
        """Add a key that is not there."""
        if self._count + 1 > _FULL_SHARE * len(self._keys):
            self._resize(2 * len(self._keys))
        self._write(key, band, vsize_vb | (_MARK if mark else 0))
        self._count += 1

    def read(self, slot: int) -> tuple[int, int]:
        """Return band and size of a slot."""
        return self._bands[slot], self._sizes[slot] & _SIZE

    def write(self, slot: int, band: int, vsize_vb: int) -> None:
        """Change band and size of a slot; its mark stays."""
        self._bands[slot] = band
        self._sizes[slot] = self._sizes[slot] & _MARK | vsize_vb

    def mark(self, slot: int, *, mark: bool) -> None:
        """Change the mark of a slot."""
        self._sizes[slot] = self._sizes[slot] & _SIZE | (_MARK if mark else 0)

    def keys_marked(self, *, mark: bool) -> list[int]:
        """Return the keys whose mark is this one, in no order."""
        wanted = _MARK if mark else 0
        return [key for key, size in zip(self._keys, self._sizes, strict=True) if key and size & _MARK == wanted]

    def remove(self, slot: int) -> None:
        """Empty a slot, and move into it what it kept from its own place."""
        keys, bands, sizes = self._keys, self._bands, self._sizes
        mask = self._mask
        gap = later = slot
        while key := keys[later := (later + 1) & mask]:
            home = (key * self._multiplier >> 64) & mask
            # It may move only to a slot between its own place and where it is now.
            if (later - home) & mask >= (later - gap) & mask:
                keys[gap], bands[gap], sizes[gap] = key, bands[later], sizes[later]
                gap = later
        keys[gap] = _EMPTY
        self._count -= 1

    def reserve(self, count: int) -> None:
        """Make room for so many keys at once, as growing to it little by little takes longer."""
        slots = len(self._keys)
        while count > _FULL_SHARE * slots:
            slots *= 2
        if slots > len(self._keys):
            self._resize(slots)

    def _allocate(self, slots: int) -> None:
        self._mask = slots - 1
        self._keys = array("Q", [_EMPTY]) * slots
        self._bands = array("H", [0]) * slots
        self._sizes = array("I", [0]) * slots

    def _resize(self, slots: int) -> None:
        kept = self._keys, self._bands, self._sizes
        self._allocate(slots)
        for key, band, size in zip(*kept, strict=True):
            if key:
                self._write(key, band, size)

    def _write(self, key: int, band: int, size: int) -> None:
        """Fill the slot of a key that is not there."""
        keys, mask = self._keys, self._mask
        slot = (key * self._multiplier >> 64) & mask
        while keys[slot]:
            slot = (slot + 1) & mask
        keys[slot], self._bands[slot], self._sizes[slot] = key, band, size

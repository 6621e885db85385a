"""Extracts of blocks as files of one directory: bounded, and whole whenever somebody looks.

A file gets its name only when its content is complete, and carries a checksum in case the disk lost some of it after a
power failure. What cannot be understood is deleted and made anew. Several processes may use the directory at once:
what they write under one name is equally right.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from app.adapters.extract_format import MAX_FILE_BYTES, ForeignBytesError, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.domain.price.extract import BlockExtract

_log = logging.getLogger(__name__)

_NAME = re.compile(r"\d{10}-[0-9a-f]{64}\.extract")
_TEMPORARY_SUFFIX = ".partial"

# Writing one takes milliseconds; what is older was left by a process that was killed.
_TEMPORARY_LIFE_SECONDS = 600.0


# So that neither a reorganisation nor a UTC day that is asked for costs a window.
_MORE_BLOCKS = 256
# A block full of the smallest payments has more; 144 in a row have not.
_USUAL_MAX_BYTES = 2**18


class ExtractFiles:
    """Keeps the extracts that were written last in `directory`, which is made when there is something to keep.

    Args:
        directory: Its files are all ours.
        max_blocks: How many extracts are kept; the oldest go first. A window that is to be kept has to fit in.
        max_bytes: How many bytes they may have together.
        clock: Seconds since 1970, as the file system counts them.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_blocks: int = 400,
        max_bytes: int = 128 * 2**20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._max_blocks = max_blocks
        self._max_bytes = max_bytes
        self._clock = clock
        self._sizes: dict[str, int] | None = None
        self._complained = False

    def get(self, height: int, block_hash: str) -> BlockExtract | None:
        """Return the extract of the block at `height` with that hash; None when it is not kept."""
        path = self._directory / _name(height, block_hash)
        try:
            extract = unpacked(_content(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            self._complain(error)
            return None
        except ForeignBytesError:
            self._remove(path)
            return None
        if (extract.height, extract.hash) != (height, block_hash):
            self._remove(path)
            return None
        return extract

    def put(self, extract: BlockExtract) -> None:
        """Keep `extract`; the oldest go for it when there are too many."""
        try:
            if self._sizes is None:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._sizes = self._found()
            name, content = _name(extract.height, extract.hash), packed(extract)
            self._write(self._directory / name, content)
            self._sizes[name] = len(content)
            self._prune(self._sizes)
        except OSError as error:
            self._complain(error)

    def _found(self) -> dict[str, int]:
        """Return the sizes of the files by name; half-written ones that nobody will finish are removed."""
        sizes = {}
        for path in self._directory.iterdir():
            # Another process may take it away while we look.
            with suppress(FileNotFoundError):
                if _NAME.fullmatch(path.name):
                    sizes[path.name] = path.stat().st_size
                elif path.suffix == _TEMPORARY_SUFFIX:
                    self._remove_if_left(path)
        return sizes

    def _remove_if_left(self, temporary: Path) -> None:
        if abs(self._clock() - temporary.stat().st_mtime) > _TEMPORARY_LIFE_SECONDS:
            temporary.unlink()

    def _write(self, path: Path, content: bytes) -> None:
        # Buffered, since that writes on after a part; it tells of a full disk when it is closed.
        with tempfile.NamedTemporaryFile(suffix=_TEMPORARY_SUFFIX, dir=self._directory, delete=False) as file:
            temporary = self._directory / file.name
            try:
                file.write(content)
                file.flush()
                temporary.replace(path)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise

    def _prune(self, sizes: dict[str, int]) -> None:
        if len(sizes) <= self._max_blocks and sum(sizes.values()) <= self._max_bytes:
            return
        # What others added or removed counts too, and is looked at only now.
        sizes.clear()
        sizes.update(self._found())
        total = sum(sizes.values())
        for name in sorted(sizes, key=self._written):
            if len(sizes) <= self._max_blocks and total <= self._max_bytes:
                return
            (self._directory / name).unlink(missing_ok=True)
            total -= sizes.pop(name)

    def _written(self, name: str) -> tuple[float, str]:
        # By age and not by height: of a chain that began anew, or of another one, all heights may be lower.
        try:
            return (self._directory / name).stat().st_mtime, name
        except FileNotFoundError:
            return 0.0, name

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            _log.warning(
                "block extracts cannot be kept: every run reads its blocks from the node again, which takes longer",
                extra={"path": str(self._directory), "reason": error.strerror or str(error)},
            )
        self._complained = True


def kept_extracts(state_directory: Path, network: str, window_blocks: int) -> ExtractFiles:
    """Return what keeps the extracts of the newest window of a chain, and of some blocks below it."""
    max_blocks = window_blocks + _MORE_BLOCKS
    return ExtractFiles(
        state_directory / "cache" / network, max_blocks=max_blocks, max_bytes=max_blocks * _USUAL_MAX_BYTES
    )


def _name(height: int, block_hash: str) -> str:
    return f"{height:010d}-{block_hash}.extract"


def _content(path: Path) -> bytes:
    with path.open("rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
            raise ForeignBytesError
        return file.readall()

"""A process that proves blocks for another: `python -m app.adapters.proving_worker`.

It reads from standard input, and answers in the order in which it was asked. It ends when its input does, so that
none is left behind by a process that was killed.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import TYPE_CHECKING

from app.adapters.extract_format import packed
from app.domain.blocks.block import read_block
from app.domain.blocks.malformed import MalformedBlockError
from app.domain.price.extract import extract_block

if TYPE_CHECKING:
    from typing import BinaryIO

# Height and size of a serialised block, which follows.
QUESTION = struct.Struct("<iI")

# Whether the block is sound, and the size of what follows: its extract, or the reason why not.
ANSWER = struct.Struct("<?I")


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer each of `questions` until they end."""
    while len(head := questions.read(QUESTION.size)) == QUESTION.size:
        height, size = QUESTION.unpack(head)
        is_sound, content = _proven(questions.read(size), height)
        answers.write(ANSWER.pack(is_sound, len(content)) + content)
        answers.flush()


def _proven(raw: bytes, height: int) -> tuple[bool, bytes]:
    try:
        return True, packed(extract_block(read_block(raw), height))
    except MalformedBlockError as error:
        return False, str(error).encode()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
    # There is nothing to tidy up, and somebody waits.
    os._exit(0)

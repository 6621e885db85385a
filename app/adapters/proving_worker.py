"""A process that proves blocks for another: `python -m app.adapters.proving_worker`.

It reads from standard input, and answers in the order in which it was asked. It ends when its input does, so that
none is left behind by a process that was killed. It has to know nothing of numpy, which takes longer to import than
ten blocks to prove: what it found it tells as an outline, and who asked reads on from there.
"""

from __future__ import annotations

import gc
import os
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from app.domain.blocks.block import read_block
from app.domain.blocks.malformed import MalformedBlockError
from app.domain.blocks.outline import outline_of

if TYPE_CHECKING:
    from typing import BinaryIO

# Size of a serialised block, which follows.
QUESTION = struct.Struct("<I")

# Whether the block is sound, and the size of what follows: its outline, txids first, or the reason why not.
ANSWER = struct.Struct("<?I")


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer each of `questions` until they end."""
    while len(head := questions.read(QUESTION.size)) == QUESTION.size:
        is_sound, content = _proven(questions.read(*QUESTION.unpack(head)))
        answers.write(ANSWER.pack(is_sound, len(content)) + content)
        answers.flush()


def _proven(raw: bytes) -> tuple[bool, bytes]:
    try:
        return True, b"".join(outline_of(read_block(raw)))
    except MalformedBlockError as error:
        return False, str(error).encode()


if __name__ == "__main__":
    # A block makes thousands of tuples and no cycle: looking for one takes a twentieth of the time.
    gc.disable()
    # Who asked may be gone before the answer is there.
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer)
    # There is nothing to tidy up, and somebody waits.
    os._exit(0)

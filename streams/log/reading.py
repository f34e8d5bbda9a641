"""Reads whole batches out of one segment, checking each as if nobody had before."""

from typing import NamedTuple

import numpy as np

from mmsb.streams.files import File
from mmsb.streams.log.frames import Fault, Walk, walk
from mmsb.streams.log.index import INDEX_BYTES, SparseIndex
from mmsb.streams.log.segments import Segment, corrupt


class Found(NamedTuple):
    """Batches, the offset of the first record in them, and where in the segment they lie."""

    first: int
    position: int
    data: bytes


def read_batches(file: File, segment: Segment, index: SparseIndex, offset: int, size: int, below: int) -> Found:
    """The batch that holds `offset`, and those after it up to `size` bytes in all and below offset `below`.

    The segment must hold `offset`, and `below` must be above it. Nothing comes of a batch that `below` would cut.
    """
    first, position = index.find(offset)
    known, wanted = segment.size, size + INDEX_BYTES
    while True:
        asked = min(wanted, known - position)
        buffer = file.read(position, asked)
        found = walk(buffer, first, below)
        at = int(np.searchsorted(found.nexts, offset, side="right"))
        if at < found.count:
            break
        _check_goes_on(segment, position, found, asked, len(buffer), int(found.nexts[-1]) if at else first)
        first = int(found.nexts[-1]) if at else first
        position += found.end
        wanted = max(size + INDEX_BYTES, found.needed)
    first = int(found.nexts[at - 1]) if at else first
    start, end = int(found.starts[at]), _end_of(found, at, size, below)
    return Found(first, position + start, buffer[start:end])


def _check_goes_on(segment: Segment, position: int, found: Walk, asked: int, got: int, offset: int) -> None:
    """What was walked holds no batch of the offset wanted: is there more to walk?"""
    if found.fault is not None:
        fault = Fault(position + found.fault.position, found.fault.expected, found.fault.found)
    elif got < asked:
        fault = Fault(position + got, f"{asked - got} more bytes", "the end of the file")
    elif found.end + found.needed > segment.size - position or not found.needed:
        expected = f"a batch with base offset {offset} that ends by byte {segment.size}"
        fault = Fault(position + found.end, expected, f"one of {found.needed} bytes")
    else:
        return
    raise corrupt(segment, fault, offset)


def _end_of(found: Walk, at: int, size: int, below: int) -> int:
    """Where the last batch ends that is to be read along with batch `at`."""
    fitting = int(np.searchsorted(found.ends, int(found.starts[at]) + size, side="right"))
    allowed = int(np.searchsorted(found.nexts, below, side="right"))
    last = min(max(fitting, at + 1), allowed)
    return int(found.ends[last - 1]) if last > at else int(found.starts[at])

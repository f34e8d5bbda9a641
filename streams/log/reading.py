"""Reads whole batches out of one segment, checking each that is given as if nobody had before.

Of those that only lie on the way from the index's entry, the chain is enough: the batch wanted has its own offset.
"""

from typing import NamedTuple

import numpy as np

from mmsb.streams.files import File
from mmsb.streams.log.frames import Chain, Fault, count_valid, follow, wrong_checksum
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
        found = follow(buffer, first, below)
        at = int(np.searchsorted(found.nexts, offset, side="right"))
        if at < found.count:
            break
        _check_goes_on(segment, position, found, asked, len(buffer), int(found.nexts[-1]) if at else first)
        first = int(found.nexts[-1]) if at else first
        position += found.end
        wanted = max(size + INDEX_BYTES, found.needed)
    first = int(found.nexts[at - 1]) if at else first
    last = _last_of(found, at, size, below)
    valid = count_valid(buffer, found, at, last)
    if last > at and not valid:
        fault = wrong_checksum(buffer, found, at)
        raise corrupt(segment, Fault(position + fault.position, fault.expected, fault.found), first)
    start = int(found.starts[at])
    end = int(found.ends[at + valid - 1]) if valid else start
    return Found(first, position + start, buffer[start:end])


def _check_goes_on(segment: Segment, position: int, found: Chain, asked: int, got: int, offset: int) -> None:
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


def _last_of(found: Chain, at: int, size: int, below: int) -> int:
    """The batch before which to end what is read from batch `at` on."""
    fitting = int(np.searchsorted(found.ends, int(found.starts[at]) + size, side="right"))
    allowed = int(np.searchsorted(found.nexts, below, side="right"))
    return max(at, min(max(fitting, at + 1), allowed))

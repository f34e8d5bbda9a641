"""What a log's folder holds when it is opened: which bytes count, which are a torn tail, and which must not be so.

Nothing is written here. Below what is known to be durable every byte must be right. The last segment may end in
anything above that: a write that a crash cut short. A segment that another follows was synced before that one was
created, so it is durable as a whole.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from mmsb.schemas.errors import CorruptState
from mmsb.streams.files import Files
from mmsb.streams.log.begin import read_begin
from mmsb.streams.log.frames import Fault
from mmsb.streams.log.segments import RESTORE, Segment, corrupt, extend, list_bases, load_sealed, log_path, opened


@dataclass(slots=True)
class Recovered:
    """The segments of a log, of which the last may go on behind its valid bytes, and those that lack an index file."""

    segments: list[Segment] = field(default_factory=list)
    unindexed: list[Segment] = field(default_factory=list)
    begin: int = 0  # below it nothing need be there


def recover(files: Files, folder: Path, durable: int) -> Recovered:
    """Find what a folder holds, and that nothing below `durable` is missing."""
    bases, begin = list_bases(files, folder), read_begin(files, folder)
    if bases and bases[0] > begin:
        found = log_path(folder, bases[0]).name
        raise CorruptState(f"{folder}: expected a log from offset {begin} on, found {found} as the first: {RESTORE}")
    recovered, durable = Recovered(begin=begin), max(durable, begin)
    for base, end in pairwise(bases):
        segment, believed = load_sealed(files, folder, base, end)
        recovered.segments.append(segment)
        if not believed:
            recovered.unindexed.append(segment)
    if bases:
        recovered.segments.append(_open_last(files, folder, bases[-1], durable))
    elif durable > begin:
        raise CorruptState(
            f"{folder}: expected a log that is durable up to offset {durable}, found no segment; offset {begin} and "
            f"what follows cannot be read: {RESTORE}"
        )
    return recovered


def _open_last(files: Files, folder: Path, base: int, durable: int) -> Segment:
    """The segment that may have a torn tail, which is what lies behind its `size`."""
    segment = Segment(folder, base, base)
    with opened(files, segment.path) as file:
        fault = extend(segment, file)
    if segment.end < durable:
        wanted = f"a batch with base offset {segment.end}, since the log is durable up to offset {durable}"
        raise corrupt(segment, fault or Fault(segment.size, wanted, "the end of the file"), segment.end)
    return segment

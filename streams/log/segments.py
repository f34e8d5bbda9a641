"""One segment of a log: a file of record batches, named by the offset of its first record.

Segments follow each other without a gap. Only the last one grows; the others are sealed: synced before the next was
created, and with their index beside them.
"""

import re
from bisect import bisect_right
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from mmsb.schemas.errors import CorruptState
from mmsb.schemas.types import I64_MAX
from mmsb.streams.files import File, Files
from mmsb.streams.log.frames import Chain, Fault, walk
from mmsb.streams.log.index import HEADER_BYTES, SparseIndex, Summary, decode_index, decode_summary, encode_index

SEGMENT_BYTES_MAX: Final = 2**31 - 1
"""What Kafka's own tools, and its brokers' 32-bit positions, can read; on disk, so not ours to change."""

SCAN_BYTES: Final = 4_194_304  # read at once while scanning: larger is no faster, and needs memory

RESTORE: Final = "stop, and restore the folder from a good copy"

_NAME: Final = re.compile(r"\d{20}\.log")


def log_path(folder: Path, base: int) -> Path:
    return folder / f"{base:020}.log"


def index_path(folder: Path, base: int) -> Path:
    return folder / f"{base:020}.offsets"


def list_bases(files: Files, folder: Path) -> list[int]:
    """The base offsets of the segments in a folder, rising; none if there is no folder yet."""
    if not files.exists(folder):
        return []
    return [int(name[:20]) for name in files.names(folder) if _NAME.fullmatch(name)]


@contextmanager
def opened(files: Files, path: Path) -> Generator[File]:
    """A file to read from and close again."""
    file = files.open(path, read_only=True)
    try:
        yield file
    finally:
        file.close()


@dataclass(slots=True)
class Segment:
    """What is known of a segment: that batches of offsets `base` up to `end` fill its first `size` bytes."""

    folder: Path
    base: int
    end: int
    size: int = 0
    # None until somebody reads from a sealed segment.
    index: SparseIndex | None = field(default_factory=SparseIndex)

    @property
    def path(self) -> Path:
        return log_path(self.folder, self.base)

    def add(self, offset: int, position: int, end: int, size: int) -> None:
        """Take note of a batch at the end. Readers in other threads trust `end` only after the rest is there."""
        assert self.index is not None, "what grows has its index in memory"
        assert (offset, position) == (self.end, self.size), "batches follow each other"
        self.index.add(offset, position)
        self.size = position + size
        self.end = end


def holding(segments: Sequence[Segment], offset: int) -> int:
    """Which segment holds an offset of a log that has it."""
    return bisect_right(segments, offset, key=lambda segment: segment.base) - 1


def extend(segment: Segment, file: File, until: int = I64_MAX) -> Fault | None:
    """Read on where the segment's known bytes end, up to offset `until` or to what is no valid batch, if anything."""
    size, wanted = file.size(), SCAN_BYTES
    while segment.size < size and segment.end < until:
        buffer = file.read(segment.size, wanted)
        if not buffer:
            return Fault(segment.size, f"{size} bytes", "the end of the file: something cut it meanwhile")
        found = walk(buffer, segment.end, until)
        _note(segment, found)
        if found.fault is not None:
            fault = found.fault
            return Fault(segment.size + fault.position - found.end, fault.expected, fault.found)
        if found.needed and segment.size + found.needed > size:
            rest = size - segment.size
            return Fault(segment.size, f"{found.needed} bytes of the batch with base offset {segment.end}", str(rest))
        wanted = max(SCAN_BYTES, found.needed)
    return None


def _note(segment: Segment, found: Chain) -> None:
    """Take note of all batches of a walk from the segment's end on, of which few get an entry in the index."""
    assert segment.index is not None, "what grows has its index in memory"
    at = 0
    while at < found.count:
        first = int(found.nexts[at - 1]) if at else segment.end
        segment.index.add(first, segment.size + int(found.starts[at]))
        behind = segment.index.next_position - segment.size
        at = max(at + 1, int(np.searchsorted(found.starts, behind)))
    segment.size += found.end
    if found.count:
        segment.end = int(found.nexts[-1])


def load_sealed(files: Files, folder: Path, base: int, end: int) -> tuple[Segment, bool]:
    """A sealed segment, which must end where the next begins; and whether its index file is to be believed.

    Then only that file's header is read. Otherwise the whole segment is.
    """
    with opened(files, log_path(folder, base)) as file:
        if _read_summary(files, index_path(folder, base)) == Summary(base, end, file.size()):
            return Segment(folder, base, end, file.size(), None), True
        return _scan_sealed(folder, base, end, file), False


def _read_summary(files: Files, path: Path) -> Summary | None:
    if not files.exists(path):
        return None
    with opened(files, path) as file:
        try:
            return decode_summary(file.read(0, HEADER_BYTES))
        except CorruptState:
            return None


def _scan_sealed(folder: Path, base: int, end: int, file: File) -> Segment:
    segment = Segment(folder, base, base)
    fault = extend(segment, file)
    if fault is not None:
        raise corrupt(segment, fault, segment.end)
    if segment.end != end:
        following = log_path(folder, end).name
        fault = Fault(
            segment.size, f"a batch with base offset {segment.end}", f"the end of the file before {following}"
        )
        raise corrupt(segment, fault, segment.end)
    return segment


def ready_index(files: Files, segment: Segment) -> SparseIndex:
    """The index of a segment, read if nobody has yet; made anew if its file is damaged."""
    if segment.index is None:
        segment.index = _read_index(files, segment)
    return segment.index


def _read_index(files: Files, segment: Segment) -> SparseIndex:
    path = index_path(segment.folder, segment.base)
    try:
        with opened(files, path) as file:
            summary, index = decode_index(file.read(0, file.size()))
        if summary == Summary(segment.base, segment.end, segment.size):
            return index
    except CorruptState:
        pass
    with opened(files, segment.path) as file:
        scanned = _scan_sealed(segment.folder, segment.base, segment.end, file)
    assert scanned.index is not None, "a scan leaves an index"
    return scanned.index


def write_index(files: Files, segment: Segment) -> None:
    """Put a sealed segment's index beside it, in place of one that may be there.

    Its name is durable before the next segment's is: no crash brings back an older index of a segment that grew since.
    """
    path = index_path(segment.folder, segment.base)
    remove_index(files, segment)
    assert segment.index is not None, "an index is written by whoever has it"
    file = files.create(path)
    try:
        file.write(0, encode_index(Summary(segment.base, segment.end, segment.size), segment.index))
        file.sync()
    finally:
        file.close()
    files.sync_folder(segment.folder)


def remove_index(files: Files, segment: Segment) -> bool:
    """Whether there was one."""
    path = index_path(segment.folder, segment.base)
    if files.exists(path):
        files.remove(path)
        return True
    return False


def corrupt(segment: Segment, fault: Fault, offset: int) -> CorruptState:
    """Bytes that must be there and valid are not."""
    expected = f"{segment.path} at byte {fault.position}: expected {fault.expected}, found {fault.found}"
    return CorruptState(f"{expected}; offset {offset} and what follows cannot be read: {RESTORE}")

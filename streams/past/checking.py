"""Checks one log of a partition by itself: segments, frames, checksums, offsets, and indexes of sealed segments."""

from collections.abc import Callable, Iterator
from pathlib import Path

from mmsb.schemas.errors import CorruptState
from mmsb.streams.files import Files
from mmsb.streams.log.begin import BEGIN, read_begin
from mmsb.streams.log.frames import Fault
from mmsb.streams.log.index import Summary, encode_index
from mmsb.streams.log.mark import MARK_BYTES, SLOT_BYTES, decode_mark
from mmsb.streams.log.segments import Segment, extend, index_path, list_bases, opened
from mmsb.streams.past.index_file import StoredIndex, pages_path
from mmsb.streams.past.problems import MARK_ANEW, REMOVE, RESTORE, Problem, problem_of


class LogCheck:
    """After `run`, `sound` are the segments from the log's begin on that nothing is wrong with."""

    def __init__(self, files: Files, folder: Path, end: int, tell: Callable[[int], None]) -> None:
        """`end` is the offset up to which the log is durable; `tell` hears of bytes checked."""
        self._files = files
        self._folder = folder
        self._end = end
        self._begin = 0
        self._tell = tell
        self.sound: list[Segment] = []

    @property
    def first(self) -> int:
        """The first offset that is there, or that will be."""
        return self.sound[0].base if self.sound else self._begin

    @property
    def end(self) -> int:
        """The offset up to which the log is sound."""
        return self.sound[-1].end if self.sound else self._begin

    def run(self) -> Iterator[Problem]:
        try:
            self._begin = read_begin(self._files, self._folder)
        except CorruptState as error:
            yield Problem(self._folder / BEGIN, None, "the offset that the log begins at", str(error), RESTORE)
            return
        bases = list_bases(self._files, self._folder)
        expected = min([self._begin, *bases])  # trimming says first where the log will begin
        bases = [base for base in bases if base < self._end or base == expected]
        whole = True
        for base, following in zip(bases, [*bases, None][1:], strict=True):
            segment = Segment(self._folder, base, base)
            problems = list(self._check(segment, expected, following))
            yield from problems
            whole = whole and not any(problem.next_step == RESTORE for problem in problems)
            if whole:
                self.sound.append(segment)
            expected = self._end if following is None else following
        if whole and self.end < self._end:
            found = f"the end of the log at {self.end}"
            yield Problem(
                self._folder, None, f"records up to offset {self._end}, as the mark or a store says", found, RESTORE
            )

    def _check(self, segment: Segment, expected: int, following: int | None) -> Iterator[Problem]:
        if segment.base != expected:
            yield Problem(segment.path, None, f"a segment from offset {expected} on", f"{segment.base}", RESTORE)
        until = self._end if following is None else following
        with opened(self._files, segment.path) as file:
            fault = extend(segment, file, until)
            size = file.size()
        self._tell(segment.size)
        if segment.end < until:
            fault = fault or Fault(segment.size, f"records up to offset {until}", f"the end at {segment.end}")
            yield problem_of(segment.path, fault)
        elif following is not None and size > segment.size:
            fault = Fault(segment.size, f"the end of the file before offset {following}", f"{size} bytes")
            yield problem_of(segment.path, fault)
        elif following is not None:
            yield from self._check_index(segment)

    def _check_index(self, segment: Segment) -> Iterator[Problem]:
        assert segment.index is not None, "a scan leaves an index"
        summary = Summary(segment.base, segment.end, segment.size)
        yield from compare(self._files, index_path(segment.folder, segment.base), encode_index(summary, segment.index))


def compare(files: Files, path: Path, expected: bytes) -> Iterator[Problem]:
    """A file that can be made anew, if it is there, against what it would be then."""
    if not files.exists(path):
        return
    with opened(files, path) as file:
        found = file.read(0, file.size())
    if found != expected:
        at = next((at for at in range(0, len(expected), 4096) if found[at : at + 4096] != expected[at : at + 4096]), 0)
        fault = Fault(at, f"an index of {len(expected)} bytes as its segment makes it", "other content")
        yield problem_of(path, fault, REMOVE)


def check_pages(files: Files, folder: Path, segment: Segment) -> Iterator[Problem]:
    """The page index of a segment that is not folded, if it is there: that it is sound, and of this segment."""
    path = pages_path(folder, segment.base)
    if not files.exists(path):
        return
    with opened(files, path) as file:
        try:
            index = StoredIndex(file)
            index.content()
        except CorruptState as error:
            yield Problem(path, None, "a sound page index", str(error), REMOVE)
            return
    found = index.summary
    if (found.base, found.end, found.size) != (segment.base, segment.end, segment.size):
        expected = f"the index of offsets {segment.base} to {segment.end} in {segment.size} bytes"
        yield Problem(path, None, expected, f"one of {found.base} to {found.end} in {found.size}", REMOVE)


def check_mark(files: Files, path: Path) -> Iterator[Problem]:
    """Both slots, of which either may be torn by a crash, but not by what came after it."""
    with opened(files, path) as file:
        data = file.read(0, MARK_BYTES)
        size = file.size()
    if size != MARK_BYTES:
        yield Problem(path, None, f"{MARK_BYTES} bytes", f"{size}", MARK_ANEW)
    for at, alone in ((0, data[:SLOT_BYTES]), (SLOT_BYTES, bytes(SLOT_BYTES) + data[SLOT_BYTES:])):
        try:
            sequence, _ = decode_mark(alone)
        except CorruptState as error:
            yield Problem(path, at, "a slot of this version", str(error), MARK_ANEW)
            continue
        if not sequence and any(alone):
            yield Problem(path, at, "a slot that is sound or was never written", "another", MARK_ANEW)

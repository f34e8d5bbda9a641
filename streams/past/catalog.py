"""The page indexes of all segments of a TLog: from their files where these are sound, else made in memory.

Follows the log as it grows, no further than it is told. Nothing is written here but by `write_missing`, which is for
the owner of the data folder.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.processors.intake import Bytes, bytes_of, read_batches
from mmsb.schemas.errors import CorruptState, EnvironmentFailed, MalformedBytes
from mmsb.streams.files import File, Files
from mmsb.streams.folder import Progress
from mmsb.streams.log.segments import RESTORE, list_bases, log_path, opened
from mmsb.streams.past.bases import Base, Bases, NoBases
from mmsb.streams.past.columns import BlockColumns
from mmsb.streams.past.growing import BlockPlace, GrowingIndex, PageIndex, Place, Standing
from mmsb.streams.past.index_file import StoredIndex, Summary, pages_path, summary_of, write_pages
from mmsb.streams.past.outline import Outline
from mmsb.streams.past.scanning import begin, extend

T = TypeVar("T")


@dataclass(eq=False)
class Part:
    """One segment. `begun` is the outline before it, from which its index can be made anew."""

    base: int
    begun: Outline
    index: GrowingIndex | StoredIndex
    file: File | None = None  # open once somebody has read from it
    memory: Bytes = field(default_factory=lambda: np.empty(0, np.uint8))

    @property
    def settled(self) -> int:
        """The last intent offset that has settled when this segment ends."""
        return (self.index if isinstance(self.index, GrowingIndex) else self.index.summary).after.settled

    @property
    def is_whole(self) -> bool:
        """Whether all of the segment is known, and not only what comes after where a trimmed log begins to be."""
        return self.begun.next <= max(self.base, 1)

    @property
    def size(self) -> int:
        """How much of the segment is known, in bytes."""
        return (self.index if isinstance(self.index, GrowingIndex) else self.index.summary).size

    def close(self) -> None:
        self.memory = self.memory[:0]
        if self.file is not None:
            self.file.close()
        if isinstance(self.index, StoredIndex):
            self.index.close()


class Catalog:
    """For one thread."""

    def __init__(
        self,
        files: Files,
        folder: Path,
        upto: Callable[[], int],
        bases: Bases | None = None,
        tell: Progress = lambda _, __: None,
    ) -> None:
        """`upto` gives the first TLog offset that may not be read. Bases are closed with it."""
        self.bases: Bases = bases or NoBases()
        self.floor: Base | None = None  # of a trimmed log: where it begins to be known
        self._files = files
        self._folder = folder
        self._upto = upto
        self._tell = tell
        self.parts: list[Part] = []
        self._outline: Outline | None = None
        self.end = 0

    @property
    def outline(self) -> Outline:
        assert self._outline is not None, "there is a genesis"
        return self._outline

    @property
    def empty(self) -> bool:
        return self._outline is None

    def follow(self) -> None:
        """Take note of what may be read by now."""
        for _ in self.followed():
            pass

    def followed(self) -> Iterator[Part]:
        """The same, segment by segment: gives each part of which there is more."""
        end = self._upto()
        if end <= 0:
            return
        bases = list_bases(self._files, self._folder)
        self._begin(bases[0] if bases else 0)
        self.adopt_files()
        if end <= self.end:
            return
        for base, following in zip(bases, [*bases[1:], None], strict=True):
            if following is None or following > self.end:
                self._follow_segment(base, following, end)
                yield self.parts[-1]
        if self.end < end:
            raise CorruptState(
                f"{self._folder}: expected records up to TLog offset {end}, found the end of the log at {self.end}: "
                f"{RESTORE}"
            )

    def _begin(self, first: int) -> None:
        """Take note of where the log begins, which may be later than the last time: then what was there is let go."""
        while self.parts and self.parts[0].base < first:
            self.parts.pop(0).close()
        if first:
            self.floor = self.bases.oldest_from(first)
            if self.floor is None:
                raise CorruptState(
                    f"{self._folder}: expected a log from TLog offset 0 on, or a checkpoint from which one that begins "
                    f"at {first} goes on, found none that opens: `mmsb verify` says what is damaged; {RESTORE}"
                )
        if self._outline is None and self.floor is None:
            self._outline = begin(self._files, self._folder, Outline)
        elif self.floor is not None and self.end < first:  # what is known reaches the log: go on from there
            self._outline, self.end = self.floor.outline(), self.floor.next

    def base_before(self, offset: int) -> Base | None:
        """The newest that has settled no intent above an offset, or else where the log begins; None: the genesis."""
        base = self.bases.newest_before(offset)
        return self.floor if self.floor and (base is None or base.settled < self.floor.settled) else base

    def find(self, part: Part, offset: int) -> int:
        return self._ask(part, lambda index: index.find(offset))

    def place(self, part: Part, number: int) -> BlockPlace:
        return self._ask(part, lambda index: index.block(number))

    def blocks(self, part: Part, numbers: Any) -> Any:
        """As `place`: a row for each field."""
        return self._ask(part, lambda index: index.blocks(numbers))

    def block_count(self, part: Part) -> int:
        return part.index.block_count

    def count(self, part: Part, page_hash: int, blocks: range) -> int:
        """How many deltas may change a page, in some blocks."""
        return self._ask(part, lambda index: len(index.deltas_of(page_hash, blocks.start, blocks.stop)))

    def entries(self, part: Part, page_hash: int, blocks: range, some: slice) -> Words:
        """Those, as far as they are asked for."""
        return self._ask(
            part, lambda index: index.deltas_of(page_hash, blocks.start, blocks.stop).rows(some.start, some.stop)
        )

    def _ask(self, part: Part, question: Callable[[PageIndex], T]) -> T:
        """What an index says; if its file is damaged, what one says that is made in its place."""
        try:
            return question(part.index)
        except (MalformedBytes, EnvironmentFailed):
            if isinstance(part.index, GrowingIndex) or not part.is_whole:
                raise
            self._remake(part, part.index)
        return question(part.index)

    def memory(self, part: Part) -> Bytes:
        """The segment's bytes, at least as far as its index goes."""
        if len(part.memory) < part.size:
            part.memory = bytes_of(self._file(part).map())
        return part.memory

    def _file(self, part: Part) -> File:
        if part.file is None:
            part.file = self._files.open(log_path(self._folder, part.base), read_only=True)
        return part.file

    def read(self, part: Part, place: BlockPlace | Place) -> bytes:
        """The value of a record that counts, its batch checked as a whole."""
        path, data = log_path(self._folder, part.base), self._file(part).read(place.position, place.size)
        where = f"{path} at byte {place.position}: expected the batch with TLog offset {place.tlog}"
        try:
            records = read_batches(data) if len(data) == place.size else None
        except MalformedBytes as error:
            raise CorruptState(f"{where}, found: {error}: {RESTORE}") from None
        if records is None or not records.first <= place.tlog <= records.last:
            raise CorruptState(f"{where}, found another: {RESTORE}")
        value = records.value(place.tlog - records.first)
        assert value is not None, "what counts has a value"
        return value

    def block(self, part: Part, place: BlockPlace) -> BlockColumns:
        return BlockColumns(self.read(part, place))

    def close(self) -> None:
        for part in self.parts:
            part.close()
        self.bases.close()

    def _follow_segment(self, base: int, following: int | None, end: int) -> None:
        until = end if following is None else min(following, end)
        if until <= self.end:
            return
        part = self.parts[-1] if self.parts and self.parts[-1].base == base else None
        if part is None:
            part = self._new_part(base)
            stored = following == until and self._open_stored(part, until)
            self.parts.append(part)
            if stored:
                self.end = until
                return
        assert isinstance(part.index, GrowingIndex), "what grows is in memory"
        extend(self._files, self._folder, part.index, self.outline, until, tell=self._tell)
        self.end = until

    def _new_part(self, base: int) -> Part:
        if base != self.end and (self.parts or self.floor is None):
            raise CorruptState(
                f"{self._folder}: expected a segment from TLog offset {self.end} on, found one from {base}: {RESTORE}"
            )
        begun = self.outline.fork()
        return Part(base, begun, GrowingIndex(base, _standing(base, begun)))

    def _open_stored(self, part: Part, end: int) -> bool:
        """Use a sealed segment's index file, if it is there and fits; then the segment is not read."""
        stored = self._load(part, end)
        if stored is None:
            return False
        outline = part.begun.fork()
        try:
            for mark in stored.marks:
                if mark.tlog >= part.begun.next:
                    outline.retake(mark.tlog, self.read(part, mark))
        except CorruptState:
            stored.close()
            return False
        after = stored.summary.after
        outline.skip(end, after.settled, after.head, after.clock)
        part.index, self._outline = stored, outline
        return True

    def _load(self, part: Part, end: int) -> StoredIndex | None:
        path = pages_path(self._folder, part.base)
        if not self._files.exists(path):
            return None
        with opened(self._files, log_path(self._folder, part.base)) as log:
            size = log.size()
        file = self._files.open(path, read_only=True)
        try:
            stored = StoredIndex(file)
            before = _standing(part.base, part.begun)
            before = Standing(before.settled, before.head) if part.is_whole else stored.summary.before
            expected = Summary(part.base, end, size, before, stored.summary.after)
            if stored.summary == expected:
                if not part.is_whole:
                    stored.content()  # checked as a whole: if it were made anew, its blocks would have other numbers
                return stored
        except CorruptState:
            pass
        file.close()
        return None

    def adopt_files(self) -> None:
        """Let go of what is in memory and, by now, in a file."""
        for part in self.parts:
            self.adopt_file(part)

    def adopt_file(self, part: Part) -> None:
        if isinstance(part.index, GrowingIndex) and part.is_whole:
            stored = self._load(part, part.index.end)
            if stored is not None and stored.summary == summary_of(part.index):
                part.index = stored
            elif stored is not None:
                stored.close()

    def _remake(self, part: Part, stored: StoredIndex) -> None:
        part.index = GrowingIndex(part.base, _standing(part.base, part.begun))
        extend(self._files, self._folder, part.index, part.begun.fork(), stored.summary.end)
        stored.close()


def _standing(base: int, outline: Outline) -> Standing:
    """What is known before a segment; the first one begins before the genesis."""
    return Standing(outline.settled, outline.head, outline.state.clock) if base else Standing()


class Indexer:
    """Puts indexes beside sealed segments, each read once; for one thread."""

    def __init__(self, files: Files, folder: Path, bases: Bases | None) -> None:
        self._files = files
        self._folder = folder
        self._end = 0
        self._tell: Progress = lambda _, __: None
        self._catalog = Catalog(files, folder, lambda: self._end, bases, self._note)

    def missing(self, upto: int) -> int:
        """How many segments are sealed below a TLog offset, and not looked at yet."""
        return sum(self._catalog.end < end for end in self._sealed(upto)[1:])

    def write_missing(self, upto: int, tell: Progress = lambda _, __: None) -> None:
        """An index for each of them that has none that is sound. Blocks for long."""
        sealed = self._sealed(upto)
        if not sealed[1:]:
            return
        self._end, self._tell = sealed[-1], tell
        for part in self._catalog.followed():
            if isinstance(part.index, GrowingIndex) and part.is_whole:
                write_pages(self._files, self._folder, part.index, self._note)
                self._catalog.adopt_file(part)  # what is in memory of it may go before there is more

    def _note(self, done: int, end: int) -> None:
        self._tell(done, end)

    def _sealed(self, upto: int) -> list[int]:
        """Where each segment begins that is sealed, and last where the next one does."""
        return [base for base in list_bases(self._files, self._folder) if base <= upto]

    def close(self) -> None:
        self._catalog.close()

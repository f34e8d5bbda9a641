"""A log as another process reads it: up to what its writer has marked durable, and writing nothing."""

from collections.abc import Callable
from pathlib import Path

from mmsb.schemas.errors import InvalidValue
from mmsb.streams.files import Files
from mmsb.streams.log.begin import read_begin
from mmsb.streams.log.frames import Fault
from mmsb.streams.log.reading import read_batches
from mmsb.streams.log.segments import Segment, corrupt, extend, holding, list_bases, load_sealed, opened, ready_index


class Reader:
    """Reads whole batches of a log that its writer may be writing at the same time. For one thread."""

    def __init__(self, files: Files, folder: Path, durable: Callable[[], int]) -> None:
        """`durable` gives the offset after the last durable record, as the mark says now."""
        self._files = files
        self._folder = folder
        self._durable = durable
        self._segments: list[Segment] = []

    def read(self, offset: int, size: int) -> bytes:
        """Whole durable batches from the one on that holds an offset: one, or as many as fit `size` bytes."""
        durable = self._durable()
        if offset < 0:
            raise InvalidValue(f"{self._folder}: expected an offset of 0 or more, found {offset}")
        if offset >= durable:
            return b""
        self._follow(durable)
        first = self._segments[0].base if self._segments else durable
        if offset < first:
            raise InvalidValue(
                f"{self._folder}: expected an offset from {first} on, where the log begins, found {offset}"
            )
        segment = self._segments[holding(self._segments, offset)]
        with opened(self._files, segment.path) as file:
            index = ready_index(self._files, segment)
            return read_batches(file, segment, index, offset, size, durable).data

    def _follow(self, durable: int) -> None:
        """Learn where batches lie up to an offset."""
        if self._end() < durable:
            self._extend_last(durable)
        while self._end() < durable:
            self._find_next(durable)

    def _end(self) -> int:
        """Up to where batches are known; where the log begins, as long as none is."""
        if self._segments:
            return self._segments[-1].end
        begin = read_begin(self._files, self._folder)
        return min([begin, *list_bases(self._files, self._folder)])

    def _extend_last(self, durable: int) -> None:
        if self._segments:
            segment = self._segments[-1]
            with opened(self._files, segment.path) as file:
                fault = extend(segment, file, durable)
            if fault is not None:
                raise corrupt(segment, fault, segment.end)

    def _find_next(self, durable: int) -> None:
        """Go on with the segment that the writer began where the last one ends."""
        end = self._end()
        bases = [base for base in list_bases(self._files, self._folder) if base >= end]
        if not bases or bases[0] != end:
            last = self._segments[-1] if self._segments else Segment(self._folder, end, end)
            expected = f"offset {end}, since the log is durable up to offset {durable}"
            raise corrupt(last, Fault(last.size, expected, "the end of the segment, and none that begins there"), end)
        if len(bases) > 1:
            self._segments.append(load_sealed(self._files, self._folder, end, bases[1])[0])
        else:
            self._segments.append(Segment(self._folder, end, end))
            self._extend_last(durable)

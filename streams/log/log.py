"""One partition's log on this machine: record batches in segments, for its one writer.

The order of calls: `open`; what is needed of `read`, `require` and `cut`; `mend`; then `append`, `sync` and `read`.

One thread may append while another syncs and any number read. Appending changes the last segment and, once a batch
is written, `end`; syncing takes `end` before it calls the disk, so all below it is written, and calls that durable
after. Only two things must not meet: a sync, and the change to a new segment, which closes the file that a sync may be
using. A lock keeps these apart. Readers open files of their own and look no further than an `end` they took first.

Whatever fails while writing fails for good: how much is on the disk is for the next start to find out, because after
a failed fdatasync the system may show bytes that it has dropped.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final

from mmsb.schemas.errors import CorruptState, EnvironmentFailed, InvalidValue
from mmsb.schemas.limits import BATCH_BYTES_MAX
from mmsb.schemas.records import Buffer
from mmsb.streams.files import File, Files
from mmsb.streams.log.begin import write_begin
from mmsb.streams.log.mending import mend
from mmsb.streams.log.reading import Found, read_batches
from mmsb.streams.log.recovery import Recovered, recover
from mmsb.streams.log.segments import (
    RESTORE,
    SEGMENT_BYTES_MAX,
    Segment,
    holding,
    log_path,
    opened,
    ready_index,
    write_index,
)
from mmsb.streams.log.trimming import trim

SEGMENT_BYTES: Final = 2**27
"""A segment's size unless said otherwise: larger is fewer files, smaller less to scan at start and to trim at once."""

_FRAME: Final = struct.Struct(">qiibI2xi")  # base offset, length, leader epoch, magic, checksum, last offset delta
_LENGTH_FROM: Final = 12


class Log:
    """A log that is open for writing. There must be no other; whoever opens it holds the lock of the data folder."""

    def __init__(self, files: Files, folder: Path, durable: int, segment_bytes: int, found: Recovered) -> None:
        self._files = files
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segments = found.segments
        self._unindexed = found.unindexed
        self._dropped: list[Segment] = []  # by `cut`, and still there until `mend`
        self._file: File | None = None  # the last segment's, once mended
        self._mended = False
        # first <= durable <= end. Each moves only forwards, but for `cut`.
        self._begin = found.begin
        self._end = found.segments[-1].end if found.segments else found.begin
        self._durable = max(durable, found.begin)  # nothing is trimmed that is not durable
        self.appended_bytes = 0  # since it was opened
        self._failure: str | None = None
        self._syncing = Lock()

    @classmethod
    def open(cls, files: Files, folder: Path, durable: int, segment_bytes: int = SEGMENT_BYTES) -> "Log":
        """Find what is there, writing nothing. What is below `durable` is known to be durable, so must be there."""
        if not 1 <= segment_bytes <= SEGMENT_BYTES_MAX:
            raise InvalidValue(f"segment_bytes: expected 1 to {SEGMENT_BYTES_MAX}, found {segment_bytes}")
        return cls(files, folder, durable, segment_bytes, recover(files, folder, durable))

    @property
    def first(self) -> int:
        """The offset of the first record that is there, or that will be."""
        return self._segments[0].base if self._segments else self._begin

    @property
    def end(self) -> int:
        """The offset after the last record."""
        return self._end

    @property
    def growing(self) -> int:
        """Where the segment begins that is written to, or -1. Those before it do not change any more."""
        return self._segments[-1].base if self._segments else -1

    @property
    def size(self) -> int:
        """In bytes, indexes aside."""
        return sum(segment.size for segment in self._segments)

    @property
    def durable(self) -> int:
        """The offset after the last record that is known to be durable."""
        return self._durable

    def require(self, offset: int) -> None:
        """Stop unless everything below an offset is there, because something says that it was durable."""
        if self._end < offset:
            place = f"{self._segments[-1].path} at byte {self._segments[-1].size}" if self._segments else self._folder
            raise CorruptState(
                f"{place}: expected records up to offset {offset}, of which there is proof, found the end of the log "
                f"at offset {self._end}: {RESTORE}"
            )

    def cut(self, offset: int) -> None:
        """Drop the batch that begins at an offset, and all after it; `mend` removes them. Only above `durable`."""
        assert not self._mended, "a log is cut before it is mended"
        if not self._durable <= offset <= self._end:
            raise InvalidValue(f"expected an offset from {self._durable} to {self._end} to cut at, found {offset}")
        if offset == self._end:
            return
        at = holding(self._segments, offset)
        segment = self._segments[at]
        found = self._find(offset)
        if found.first != offset:
            raise InvalidValue(f"expected the first offset of a batch to cut at, {found.first} for one; found {offset}")
        self._dropped = self._segments[at + 1 :] + self._dropped
        self._segments = self._segments[: at + 1]
        ready_index(self._files, segment).cut(found.position)
        segment.size, segment.end, self._end = found.position, offset, offset

    def mend(self) -> None:
        """Make all that is left durable, and remove what is not to be there."""
        assert not self._mended, "a log is mended once"
        self._guarded(self._mend)

    def begin_at(self, offset: int) -> None:
        """Let a log that has nothing begin there: nobody will look for what is below."""
        assert self._mended, "a log is mended before it grows"
        assert self.first == self._end, "it has nothing"
        self._guarded(lambda: self._begin_at(offset))

    def append(self, batch: Buffer, first: int, count: int) -> None:
        """Write one batch behind the last. It is durable after a `sync` that begins later."""
        assert first == self._end, "batches follow each other"
        assert self._mended, "a log is mended before it grows"
        _check_batch(batch, first, count)
        self._guarded(lambda: self._append(batch, first, count))

    def sync(self) -> None:
        """Make durable what was appended before this call."""
        self._guarded(self._sync)

    def trim(self, offset: int) -> None:
        """Remove the segments that lie below a durable offset as a whole, but never the last one.

        Nobody may need what is below: that is for the caller to know. One thread trims at a time; others may append,
        sync and read above meanwhile.
        """
        if not offset <= self._durable:
            raise InvalidValue(f"{self._folder}: expected a durable offset to trim below, {self._durable} or less")
        with self._syncing:
            count = sum(segment.end <= offset for segment in self._segments[:-1])
            dropped, self._segments = self._segments[:count], self._segments[count:]
        if dropped:
            self._begin = self.first
            trim(self._files, self._folder, dropped, self._begin)

    def read(self, offset: int, size: int, below: int | None = None) -> bytes:
        """Whole batches from the one on that holds an offset: one, or as many as fit `size` bytes.

        None reaches `below`; nothing at the end.
        """
        end = self._end
        if self._failure is not None:
            raise EnvironmentFailed(self._failure)
        if not self.first <= offset <= end:
            raise InvalidValue(f"{self._folder}: expected an offset from {self.first} to {end}, found {offset}")
        until = end if below is None else min(below, end)
        return self._find(offset, size, until).data if offset < until else b""

    def close(self) -> None:
        """Close without syncing."""
        self._failure = self._failure or f"{self._folder}: the log is closed; open it again"
        with self._syncing:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _find(self, offset: int, size: int = 1, below: int | None = None) -> Found:
        segments = self._segments  # rolling and trimming put another list in its place
        segment = segments[holding(segments, offset)]
        index = ready_index(self._files, segment)
        with opened(self._files, segment.path) as file:
            return read_batches(file, segment, index, offset, size, self._end if below is None else below)

    def _guarded(self, write: Callable[[], None]) -> None:
        """Do what changes the disk, and after a failure nothing more."""
        if self._failure is not None:
            raise EnvironmentFailed(self._failure)
        try:
            write()
        except BaseException as error:
            self._failure = f"{self._folder}: the log takes nothing more since this happened: {error}"
            raise

    def _begin_at(self, offset: int) -> None:
        if self._file is not None:  # of a segment that a crash left before anything was in it
            self._file.close()
            self._file = None
            self._files.remove(self._segments[-1].path)
            self._files.sync_folder(self._folder)
            self._segments = []
        write_begin(self._files, self._folder, offset)
        self._begin = self._end = self._durable = offset

    def _mend(self) -> None:
        position = self._segments[-1].size if self._segments else 0
        if self._segments and self._durable < self._end:
            position = self._find(max(self._durable, self._segments[-1].base)).position if position else 0
        self._file = mend(self._files, self._folder, self._segments, position, self._dropped, self._unindexed)
        self._dropped, self._unindexed = [], []
        self._durable = self._end
        self._mended = True

    def _append(self, batch: Buffer, first: int, count: int) -> None:
        if self._file is None or 0 < self._segments[-1].size > self._segment_bytes - len(batch):
            self._roll(first)
        assert self._file is not None, "rolling opens a file"
        segment = self._segments[-1]
        position = segment.size
        self._file.write(position, batch)
        self.appended_bytes += len(batch)
        segment.add(first, position, first + count, len(batch))
        self._end = first + count

    def _roll(self, base: int) -> None:
        """Seal the last segment, if there is one, and begin another, whose name is durable before anything is in it."""
        with self._syncing:
            if self._file is not None:
                self._file.sync()
                self._durable = self._end
                write_index(self._files, self._segments[-1])
                self._file.close()
                self._file = None
            self._file = self._files.create(log_path(self._folder, base))
            self._files.sync_folder(self._folder)
            self._segments = [*self._segments, Segment(self._folder, base, base)]

    def _sync(self) -> None:
        with self._syncing:
            end = self._end
            if end > self._durable and self._file is not None:
                self._file.sync()
                self._durable = end


def _check_batch(batch: Buffer, first: int, count: int) -> None:
    """That readers will take a batch for what the writer says it is; its content is the writer's."""
    assert len(batch) <= BATCH_BYTES_MAX, "a batch keeps to its limit"
    base, length, epoch, magic, _, last = _FRAME.unpack_from(batch)
    assert base == first, "a batch begins with the offset it is appended at"
    assert length == len(batch) - _LENGTH_FROM, "a batch is appended whole"
    assert epoch == 0, "batches of our own have leader epoch 0"
    assert magic == 2, "a log holds batches of Kafka's format v2"
    assert last == count - 1, "a batch has as many records as the writer says"

"""Reads the logs off a simulated disk, without the engine: what is written, and what a loss of power would leave.

A log that was trimmed is read as if it were whole: what is in front of its first segment, the disk remembers for us.

Records are those of tests.model; the checksum is the C library's, because every byte is looked at many times.
"""

import struct
from functools import cache
from pathlib import Path

from crc32c import crc32c

from mmsb.schemas.tlog.records import TlogKind
from mmsb.streams.log import Durable
from tests.model.batch import HEADER, Record, _Reader, _record
from tests.model.tlog import BLOCK, QUARANTINE, decode_header
from tests.simulation.disk import Inode, VirtualFiles

HEADER_BYTES = struct.calcsize(HEADER)
CHECKED_FROM = 21


class Follower:
    """One log, further each time that it is asked. `durable`: only what would survive whatever happens."""

    def __init__(self, files: VirtualFiles, folder: Path, *, durable: bool) -> None:
        self._names = files._durable if durable else files._names
        self._files = files
        self._durable = durable
        self._folder = folder
        self._base = 0
        self._position = 0
        self.end = 0

    def read(self) -> list[Record]:
        """Whole valid records behind those read before."""
        found: list[Record] = []
        while True:
            data = self._content()
            while data is not None and (batch := _decode(data, self._position, self.end)) is not None:
                records, self._position = batch
                self.end += len(records)
                found += records
            if self.end == self._base or self._inode(self.end) is None:
                return found
            self._base, self._position = self.end, 0

    def _content(self) -> bytearray | None:
        inode = self._inode(self._base)
        if inode is None:
            return None
        return inode.disk if self._durable else inode.seen

    def _inode(self, base: int) -> Inode | None:
        """A segment; one that is not there is missing, unless it was in front of all that are."""
        path = _log_path(self._folder, base)
        inode = self._names.get(path)
        if inode is None and path in self._files.removed and base < self.first:
            return self._files.removed[path]
        return inode

    @property
    def first(self) -> int:
        """The offset that the log begins with."""
        bases = (int(path.stem) for path in self._names if path.parent == self._folder and path.suffix == ".log")
        return min(bases, default=0)


@cache
def _log_path(folder: Path, base: int) -> Path:
    return folder / f"{base:020}.log"


def _decode(data: bytearray, at: int, offset: int) -> tuple[list[Record], int] | None:
    """The batch at a place, and where it ends; None if there is no valid one of that offset."""
    if len(data) - at < HEADER_BYTES:
        return None
    base, length, epoch, magic, checksum, _, last, base_time, max_time, _, _, _, count = struct.unpack_from(
        HEADER, data, at
    )
    end = at + 12 + length
    if (base, epoch, magic, last) != (offset, 0, 2, count - 1) or not at + HEADER_BYTES < end <= len(data):
        return None
    if crc32c(memoryview(data)[at + CHECKED_FROM : end]) != checksum:
        return None
    reader = _Reader(bytes(memoryview(data)[at:end]), HEADER_BYTES)
    records: list[Record] = []
    for index in range(count):
        delta, key, value, headers = _record(reader, index)
        assert base_time + delta <= max_time, "a batch says its latest time"
        records.append(Record(base + index, base_time + delta, value, key, headers))
    return records, end


class Watch:
    """Both logs of a partition, as one process after another leaves them."""

    def __init__(self, files: VirtualFiles, folder: Path, *, durable: bool) -> None:
        self._intents = Follower(files, folder / "intents", durable=durable)
        self._tlog = Follower(files, folder / "tlog", durable=durable)
        self.intents: list[Record] = []
        self.tlog: list[Record] = []
        self._settled = -1

    @property
    def first(self) -> Durable:
        """Where both logs begin: what is before was trimmed."""
        return Durable(self._intents.first, self._tlog.first)

    @property
    def ends(self) -> Durable:
        """Where both logs end."""
        _ = self.settled
        return Durable(len(self.intents), len(self.tlog))

    @property
    def logged(self) -> int:
        """The offset of the last intent."""
        self.intents += self._intents.read()
        return self._intents.end - 1

    @property
    def settled(self) -> int:
        """The last intent with an outcome, of those that are there."""
        for record in self._tlog.read():
            self.tlog.append(record)
            if record.key in (TlogKind.BLOCK.key, TlogKind.QUARANTINE.key) and record.value is not None:
                header = decode_header(record.value)
                if header.first == self._settled + 1:
                    self._settled = header.last
        return min(self._settled, self.logged)

    @property
    def claimed_last(self) -> bool:
        """Whether the TLog ends with a claim."""
        _ = self.settled
        return bool(self.tlog) and self.tlog[-1].key == TlogKind.CLAIM.key


assert (TlogKind.BLOCK, TlogKind.QUARANTINE) == (BLOCK, QUARANTINE)

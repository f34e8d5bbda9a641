"""Whatever crashes and fails, in any order: what was durable is there byte for byte, and the rest is a prefix.

Each seed is a life of several processes on one disk. Plants at the end show that the lives would notice.
"""

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from mmsb.schemas.errors import CorruptState, EnvironmentFailed
from mmsb.streams.log import Log, Mark, Reader, log, mending, trimming
from mmsb.streams.log.begin import BEGIN, encode_begin
from mmsb.streams.log.segments import list_bases
from tests.log.batches import make_batch, offsets_of
from tests.log.test_log import first_offsets
from tests.simulation.disk import Inode, VirtualFile, VirtualFiles

FOLDER = Path("/intents")
MARK = Path("/mark")
SEEDS = range(400)
PLANT_SEEDS = range(3000)

MakeFiles = Callable[[int], VirtualFiles]


def live(seed: int, make_files: MakeFiles = VirtualFiles) -> None:
    """A few processes, each of which appends, syncs and reads until it crashes, is killed, or the disk fails it."""
    random = Random(seed)
    files = make_files(seed)
    life = Life(random)
    for _ in range(random.randint(2, 6)):
        life.run(files)
        files = random.choice((files.crash, files.kill))()
    life.start(files)


class Life:
    """What the processes know and what must be so."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.data = b""  # all that was appended and may be on the disk
        self.durable = 0  # the highest that a log has called durable
        self.trimmed = 0  # the highest that a log was told to trim below
        self.segment_bytes = random.choice((300, 3000, 30_000))
        self.largest = random.choice((10, 500, 5000))

    def run(self, files: VirtualFiles) -> None:
        """One process, which may find the disk failing."""
        if self.random.random() < 0.5:
            operations = self.random.choice((("sync",), ("write",), ("sync", "write", "create", "sync_folder"), ()))
            files.fail(self.random.randint(1, 40), *operations, for_ever=self.random.random() < 0.3)
        with suppress(EnvironmentFailed):
            self.work(files)

    def work(self, files: VirtualFiles) -> None:
        mark, log = self.start(files)
        for _ in range(self.random.randint(0, 40)):
            if self.random.random() < 0.05:
                self.trim(log)
            elif self.random.random() < 0.7:
                count = self.random.randint(1, 3)
                batch = make_batch(log.end, count, self.random.randint(1, self.largest), self.random.getrandbits(30))
                self.data += batch  # before it is written: a write that fails may still have happened
                log.append(batch, log.end, count)
            else:
                log.sync()
                self.durable = max(self.durable, log.durable)
                mark.write(mark.durable._replace(intents=log.durable))
                self.follow(files)

    def start(self, files: VirtualFiles) -> tuple[Mark, Log]:
        """Recover, and hold what is there against what must be."""
        mark = Mark.open(files, MARK)
        assert mark.durable.intents <= self.durable
        log = Log.open(files, FOLDER, mark.durable.intents, self.segment_bytes)
        found = self.judge(log)
        if self.random.random() < 0.3:
            self.cut(log, found)
        log.mend()
        self.data = self.judge(log)
        self.durable = log.durable
        mark.write(mark.durable._replace(intents=log.durable))
        return mark, log

    def cut(self, log: Log, found: bytes) -> None:
        """Drop some batches above the mark, as when the intents that they settle are gone."""
        offset = self.random.choice([*(first for first in first_offsets(found) if first >= log.durable), log.end])
        log.cut(offset)
        self.durable = min(self.durable, offset)  # until it is mended, what was cut may come back

    def trim(self, log: Log) -> None:
        """Somebody needs nothing below an offset any more."""
        offset = self.random.randint(0, log.durable)
        self.trimmed = max(self.trimmed, offset)
        log.trim(offset)

    def judge(self, log: Log) -> bytes:
        """All that the log must hold: what was appended, whether it is still there or was trimmed."""
        assert log.first <= self.trimmed, "the log lacks what nobody trimmed"
        assert log.end >= self.durable, f"{self.durable} was durable, and the log ends at {log.end}"
        found = self.read_all(log.read, log.first)
        return self.data_below(log.first) + found

    def read_all(self, read: Callable[[int, int], bytes], offset: int) -> bytes:
        """What a log holds from its first offset on, which must have been appended there."""
        found, start = b"", len(self.data_below(offset))
        while chunk := read(offset, 1000):
            found += chunk
            offset = offsets_of(chunk)[1]
        assert self.data.startswith(found, start), "the log holds what nobody appended"
        return found

    def data_below(self, offset: int) -> bytes:
        at = 0
        while at < len(self.data):
            first, length = struct.unpack_from(">qi", self.data, at)
            if first == offset:
                break
            at += 12 + length
        return self.data[:at]

    def follow(self, files: VirtualFiles) -> None:
        """Another process reads what is durable, and nothing else."""
        reader = Reader(files, FOLDER, lambda: self.durable)
        first = min([self.durable, *list_bases(files, FOLDER)])
        found = self.read_all(reader.read, first)
        assert self.data_below(self.durable) == self.data_below(first) + found


@pytest.mark.parametrize("start", range(0, len(SEEDS), 50))
def test_what_was_durable_is_there_after_any_crash(start):
    for seed in SEEDS[start : start + 50]:
        try:
            live(seed)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


def found_by(make_files: MakeFiles = VirtualFiles, first: int = 0) -> int:
    """The first seed whose life notices something; what is rare begins near one that does."""
    for seed in PLANT_SEEDS[first:]:
        try:
            live(seed, make_files)
        except (AssertionError, CorruptState):
            return seed
    raise LookupError("nothing was noticed")


class LazyFile(VirtualFile):
    def sync(self) -> None:
        self._operate("sync")


class LazyFiles(VirtualFiles):
    """Says that it synced a file."""

    def handle(self, path: Path, inode: Inode) -> VirtualFile:
        return LazyFile(self, path, inode)


class ForgetfulFiles(VirtualFiles):
    """Says that it synced a folder."""

    def sync_folder(self, path: Path) -> None:
        self.operate(path, "sync_folder")


@pytest.mark.parametrize("kind", [LazyFiles, ForgetfulFiles])
def test_a_dropped_sync_is_noticed(kind):
    found_by(kind)


def test_a_skipped_rewrite_of_what_a_failed_sync_left_is_noticed(monkeypatch):
    def mend(files, folder, segments, position, dropped, unindexed):
        return mending.mend(files, folder, segments, segments[-1].size if segments else 0, dropped, unindexed)

    monkeypatch.setattr(log, "mend", mend)
    found_by(first=135)


def test_a_torn_tail_left_in_place_is_noticed(monkeypatch):
    monkeypatch.setattr(VirtualFile, "truncate", lambda file, size: None)
    found_by()


def test_removing_segments_before_it_is_durable_that_they_may_go_is_noticed(monkeypatch):
    monkeypatch.setattr(trimming, "write_begin", begin_later)
    found_by()


def begin_later(files: VirtualFiles, folder: Path, offset: int) -> None:
    """As write_begin, without a sync of the name."""
    files.create(folder / "begin-later").write(0, encode_begin(offset))
    files.replace(folder / "begin-later", folder / BEGIN)


def test_removing_segments_from_behind_is_noticed(monkeypatch):
    def trim(files, folder, dropped, begin):
        trimming.trim(files, folder, dropped[::-1], begin)

    monkeypatch.setattr(log, "trim", trim)
    found_by(first=350)


def test_calling_durable_what_was_never_synced_is_noticed(monkeypatch):
    def sync(self):
        if self._file is not None:
            self._file.read(0, 1)
        self._durable = self._end

    monkeypatch.setattr(Log, "_sync", sync)
    found_by()

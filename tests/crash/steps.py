"""The steps of the write protocol, by name, as the files, threads and lock of a running engine show them.

A step is what the engine has just done: "block synced", "intents half written". Whoever watches may end the process
there. Where one file operation serves several steps, its content says which: a claim or a block, intents or follow-ups.
"""

import os
import signal
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from unittest.mock import patch

from mmsb.processors.intake import read_batches
from mmsb.schemas.records import Buffer
from mmsb.schemas.sources import FOLLOW_UP
from mmsb.state.home.cuts import Cut
from mmsb.state.home.home import Home
from mmsb.state.store import Row, Run, each_row
from mmsb.streams.files import File, Files, RealFiles
from mmsb.streams.partition import Partition
from mmsb.streams.store.ahead import AheadFile
from mmsb.streams.store.rocks import RocksStore
from mmsb.streams.world import FolderLock, RealWorld

SOURCE_KIND_AT = 5  # in a packed intent
BESIDE = {".offsets": " index", ".pages": " pages", ".pages-new": " pages"}  # what lies beside a segment


class Watcher:
    """Counts steps, and kills this process at one of them."""

    def __init__(self, fatal: str | None = None, occurrence: int = 1) -> None:
        self.counts: Counter[str] = Counter()
        self._fatal = fatal
        self._occurrence = occurrence
        self._one_at_a_time = Lock()

    def is_fatal_next(self, step: str) -> bool:
        return step == self._fatal and self.counts[step] + 1 == self._occurrence

    def reached(self, step: str) -> None:
        with self._one_at_a_time:
            fatal = self.is_fatal_next(step)
            self.counts[step] += 1
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)


class WatchedFiles:
    """Implements mmsb.streams.files.Files over another one."""

    def __init__(self, inner: Files, watcher: Watcher) -> None:
        self._inner = inner
        self._watcher = watcher

    def open(self, path: Path, *, read_only: bool = False) -> File:
        file = self._inner.open(path, read_only=read_only)
        self._watcher.reached(f"{role_of(path)} opened")
        return WatchedFile(file, role_of(path), self._watcher)

    def create(self, path: Path) -> File:
        file = self._inner.create(path)
        self._watcher.reached(f"{role_of(path)} created")
        return WatchedFile(file, role_of(path), self._watcher)

    def exists(self, path: Path) -> bool:
        return self._inner.exists(path)

    def is_folder(self, path: Path) -> bool:
        return self._inner.is_folder(path)

    def names(self, folder: Path) -> list[str]:
        return self._inner.names(folder)

    def make_folder(self, path: Path) -> None:
        self._inner.make_folder(path)
        self._watcher.reached("folder made")

    def sync_folder(self, path: Path) -> None:
        self._inner.sync_folder(path)
        self._watcher.reached(f"{path.name if path.name in ('intents', 'tlog') else 'upper'} folder synced")

    def replace(self, source: Path, target: Path) -> None:
        self._inner.replace(source, target)
        self._watcher.reached(f"{role_of(target)} replaced")

    def link(self, source: Path, target: Path) -> None:
        self._inner.link(source, target)
        self._watcher.reached(f"{role_of(target)} linked")

    def remove(self, path: Path) -> None:
        self._inner.remove(path)
        self._watcher.reached(f"{role_of(path)} removed")

    def remove_folder(self, path: Path) -> None:
        self._inner.remove_folder(path)
        self._watcher.reached("folder removed")


class WatchedFile:
    """Implements mmsb.streams.files.File over another one."""

    def __init__(self, inner: File, role: str, watcher: Watcher) -> None:
        self._inner = inner
        self._role = role
        self._watcher = watcher
        self._size = inner.size()
        self._written = role if role == "mark" else f"{role} again"

    def write(self, position: int, data: Buffer) -> None:
        rewritten = position < self._size and self._role != "mark"
        what = f"{self._role} again" if rewritten else content_of(self._role, data)
        if self._watcher.is_fatal_next(f"{what} half written"):
            self._inner.write(position, data[: len(data) // 2])
        self._watcher.reached(f"{what} half written")
        self._inner.write(position, data)
        self._size, self._written = max(self._size, position + len(data)), what
        self._watcher.reached(f"{what} written")

    def read(self, position: int, size: int) -> bytes:
        data = self._inner.read(position, size)
        self._watcher.reached(f"{self._role} read")
        return data

    def map(self) -> Buffer:
        return self._inner.map()

    def size(self) -> int:
        return self._inner.size()

    def sync(self) -> None:
        self._inner.sync()
        self._watcher.reached(f"{self._written} synced")

    def truncate(self, size: int) -> None:
        self._inner.truncate(size)
        self._watcher.reached(f"{self._role} cut" if size < self._size else f"{self._role} sized")
        self._size = size

    def close(self) -> None:
        self._inner.close()


def role_of(path: Path) -> str:
    """A file's part in a partition: mark, intents, tlog, intents index, tlog index, tlog pages."""
    name = path.parent.name if path.name[0].isdigit() else path.name
    return f"{name}{BESIDE.get(path.suffix, '')}"


def content_of(role: str, data: Buffer) -> str:
    """What is written: of a log, by its first record."""
    if role == "tlog":
        return (read_batches(data).key(0) or b"?").decode()
    if role == "intents":
        value = read_batches(data).value(0)
        return "follow-ups" if value is not None and value[SOURCE_KIND_AT] == FOLLOW_UP else "intents"
    return role


class WatchedWorld(RealWorld):
    """This machine, watched."""

    def __init__(self, watcher: Watcher, files: Files | None = None) -> None:
        self.files = WatchedFiles(files or RealFiles(), watcher)
        self._watcher = watcher

    def lock(self, folder: Path) -> FolderLock:
        lock = FolderLock(folder)
        self._watcher.reached("locked")
        return lock


@contextmanager
def watched_state(watcher: Watcher) -> Generator[None]:
    """Within it, what the engine does without files counts: stepping, copying for the store, letting pages go.

    And so does what the store does with files of its own.
    """
    step, cut, make_room = Partition._step, Home.cut, Home._make_room
    ingest, finish = RocksStore.ingest, AheadFile.finish

    def watched_step(partition: Partition[Any], *arguments: Any) -> Any:
        stepped = step(partition, *arguments)
        watcher.reached("stepped")
        return stepped

    def watched_cut(home: Home, settled: int) -> Cut:
        found = cut(home, settled)
        watcher.reached("cut")
        return found

    def watched_room(home: Home, wanted: int) -> None:
        before = home.use.evictions
        make_room(home, wanted)
        if home.use.evictions > before:
            watcher.reached("evicted")

    def watched_ingest(store: RocksStore, rows: Iterable[Row | Run]) -> int:
        size = ingest(store, _half_way(list(each_row(rows)), watcher))
        watcher.reached("rows ingested")
        return size

    def watched_finish(file: AheadFile) -> None:
        finish(file)
        watcher.reached("rows synced")

    with (
        patch.object(Partition, "_step", watched_step),
        patch.object(Home, "cut", watched_cut),
        patch.object(Home, "_make_room", watched_room),
        patch.object(RocksStore, "ingest", watched_ingest),
        patch.object(AheadFile, "finish", watched_finish),
    ):
        yield


def _half_way(rows: list[Row], watcher: Watcher) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number == len(rows) // 2:
            watcher.reached("rows half written")
        yield row
    watcher.reached("rows written")

"""A recording of all that a run does to its files, in order, with what was told to callers at its place in between.

Operations of one file do not overlap, nor do changes of names. A write counts from its begin, because from then on it
may reach the disk; a sync from its end, because only then it is a promise. So whatever stands before a sync of the same
file is durable at it, and whoever was told something was told it after everything that it rests on.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from mmsb.schemas.records import Buffer
from mmsb.streams.files import File, Files


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. `path` is relative to the data folder's parent, so that it can be played elsewhere."""

    name: str
    path: Path
    position: int = 0  # of a write; the size of a truncate
    data: bytes = b""
    target: Path | None = None  # of a replace


@dataclass(frozen=True, slots=True)
class Said:
    """What a caller was told."""

    partition: int
    kind: str  # logged, settled
    offset: int


Entry = Operation | Said


@dataclass
class Trace:
    root: Path
    entries: list[Entry] = field(default_factory=list[Entry])

    def add(self, name: str, path: Path, position: int = 0, data: Buffer = b"", target: Path | None = None) -> None:
        shown = None if target is None else self.inside(target)
        self.entries.append(Operation(name, self.inside(path), position, bytes(data), shown))

    def say(self, partition: int, kind: str, offset: int) -> None:
        self.entries.append(Said(partition, kind, offset))

    def inside(self, path: Path) -> Path:
        return Path("/") / path.relative_to(self.root)


class RecordedFiles:
    """Implements mmsb.streams.files.Files over another one, whose calls it records."""

    def __init__(self, inner: Files, trace: Trace) -> None:
        self._inner = inner
        self._trace = trace
        self._one_at_a_time = Lock()

    def open(self, path: Path, *, read_only: bool = False) -> File:
        file = self._inner.open(path, read_only=read_only)
        return file if read_only else RecordedFile(file, path, self._trace)

    def create(self, path: Path) -> File:
        return RecordedFile(self._done("create", path, self._inner.create), path, self._trace)

    def exists(self, path: Path) -> bool:
        return self._inner.exists(path)

    def is_folder(self, path: Path) -> bool:
        return self._inner.is_folder(path)

    def names(self, folder: Path) -> list[str]:
        return self._inner.names(folder)

    def make_folder(self, path: Path) -> None:
        self._done("make_folder", path, self._inner.make_folder)

    def sync_folder(self, path: Path) -> None:
        with self._one_at_a_time:
            self._inner.sync_folder(path)
            self._trace.add("sync_folder", path)

    def replace(self, source: Path, target: Path) -> None:
        with self._one_at_a_time:
            self._trace.add("replace", source, target=target)
            self._inner.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        with self._one_at_a_time:
            self._trace.add("link", source, target=target)
            self._inner.link(source, target)

    def remove(self, path: Path) -> None:
        self._done("remove", path, self._inner.remove)

    def remove_folder(self, path: Path) -> None:
        self._done("remove_folder", path, self._inner.remove_folder)

    def _done(self, name: str, path: Path, call: Callable[[Path], Any]) -> Any:
        with self._one_at_a_time:
            self._trace.add(name, path)
            return call(path)


class RecordedFile:
    """Implements mmsb.streams.files.File over another one, whose calls it records."""

    def __init__(self, inner: File, path: Path, trace: Trace) -> None:
        self._inner = inner
        self._path = path
        self._trace = trace
        self._one_at_a_time = Lock()

    def write(self, position: int, data: Buffer) -> None:
        with self._one_at_a_time:
            self._trace.add("write", self._path, position, data)
            self._inner.write(position, data)

    def read(self, position: int, size: int) -> bytes:
        return self._inner.read(position, size)

    def map(self) -> Buffer:
        return self._inner.map()

    def size(self) -> int:
        return self._inner.size()

    def sync(self) -> None:
        with self._one_at_a_time:
            self._inner.sync()
            self._trace.add("sync", self._path)

    def truncate(self, size: int) -> None:
        with self._one_at_a_time:
            self._trace.add("truncate", self._path, size)
            self._inner.truncate(size)

    def close(self) -> None:
        self._inner.close()

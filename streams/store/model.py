"""The same as a store on RocksDB, in a dictionary and one file: slow, and easy to believe. Tests and simulation use it.

All rows are written anew each time, under another name; the name is what makes it all or nothing. It meets the disk
through Files alone, so that a virtual one can fail or crash at each of its operations.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from blake3 import blake3

from mmsb.schemas.errors import CorruptState, EnvironmentFailed, InvalidValue
from mmsb.state.store import Row, Run, Snapshot, each_row
from mmsb.streams.files import Files

ROWS: Final = "rows"
_NEW: Final = "rows.new"
_HASH_BYTES: Final = 32
_SIZES: Final = struct.Struct("<II")  # of a key and of what stands under it


class MemorySnapshot:
    """Implements mmsb.state.store.Snapshot."""

    def __init__(self, rows: dict[bytes, bytes]) -> None:
        self._keys = sorted(rows)
        self._rows = rows

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._rows.get(key) for key in keys]

    def rows(self, first: bytes, stop: bytes) -> Iterator[Row]:
        for key in self._keys[bisect_left(self._keys, first) : bisect_left(self._keys, stop)]:
            yield key, self._rows[key]

    def close(self) -> None:
        """There is nothing to give back."""


class MemoryStore:
    """Implements mmsb.state.store.Store, in a folder that exists."""

    def __init__(self, files: Files, folder: Path) -> None:
        self._files = files
        self._folder = folder
        self._failure: str | None = None
        self._rows = load(files, folder)

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self.snapshot().read(keys)

    def rows(self, first: bytes, stop: bytes) -> Iterator[Row]:
        return self.snapshot().rows(first, stop)

    def ingest(self, rows: Iterable[Row | Run]) -> int:
        if self._failure is not None:
            raise EnvironmentFailed(self._failure)
        try:
            return self._ingest(list(each_row(rows)))
        except BaseException as error:
            self._failure = f"{self._folder}: the store takes nothing more since this happened: {error}"
            raise

    def snapshot(self) -> Snapshot:
        return MemorySnapshot(self._rows)

    def checkpoint(self, folder: Path) -> None:
        if self._files.exists(folder):
            raise EnvironmentFailed(f"{folder}: expected to put a checkpoint there, found something; name another")
        self._files.make_folder(folder)
        _write(self._files, folder, self._rows)

    def close(self) -> None:
        self._failure = self._failure or f"{self._folder}: the store is closed; open it again"

    def _ingest(self, rows: list[Row]) -> int:
        keys = [key for key, _ in rows]
        if keys != sorted(set(keys)):
            raise InvalidValue(f"{self._folder}: expected rows whose keys rise, found one that does not: sort them")
        if not rows:
            return 0
        after = {key: value for key, value in (self._rows | dict(rows)).items() if value}
        _write(self._files, self._folder, after)
        self._rows = after
        return sum(len(key) + len(value) for key, value in rows)


def load_checkpoint(files: Files, folder: Path) -> MemorySnapshot:
    """The rows of a checkpoint, which must have been made."""
    if not files.exists(folder / ROWS):
        raise CorruptState(f"{folder / ROWS}: expected a checkpoint's rows, found no file; name another checkpoint")
    return MemorySnapshot(load(files, folder))


def load(files: Files, folder: Path) -> dict[bytes, bytes]:
    """The rows that a folder holds; none if there were never any."""
    if not files.exists(folder / ROWS):
        return {}
    file = files.open(folder / ROWS, read_only=True)
    try:
        data = file.read(0, file.size())
    finally:
        file.close()
    content = data[_HASH_BYTES:]
    if blake3(content).digest() != data[:_HASH_BYTES]:
        raise CorruptState(f"{folder / ROWS}: expected rows that fit their hash, found others: restore a good copy")
    return dict(_decoded(content))


def _decoded(content: bytes) -> Iterator[Row]:
    at = 0
    while at < len(content):
        key_size, value_size = _SIZES.unpack_from(content, at)
        at += _SIZES.size
        yield content[at : at + key_size], content[at + key_size : at + key_size + value_size]
        at += key_size + value_size


def _write(files: Files, folder: Path, rows: dict[bytes, bytes]) -> None:
    content = b"".join(_SIZES.pack(len(key), len(value)) + key + value for key, value in sorted(rows.items()))
    if files.exists(folder / _NEW):
        files.remove(folder / _NEW)  # of a write that a crash cut short: nobody was told of it
    file = files.create(folder / _NEW)
    try:
        file.write(0, blake3(content).digest() + content)
        file.sync()
    finally:
        file.close()
    files.replace(folder / _NEW, folder / ROWS)
    files.sync_folder(folder)

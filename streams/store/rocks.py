"""Rows in RocksDB, through rocksdict in raw mode (docs/decisions/0012 says why, and where its numbers were measured).

What is ingested goes around RocksDB's memory and its own log: rows become one sorted file in the store's folder, which
RocksDB then takes over by one entry in its manifest. So it is all or nothing, and what is durable is durable when
`ingest` returns. A file that was not taken over holds nothing that anybody was told of; the next opening removes it.

rocksdict holds the interpreter's lock while it waits for the disk. Rows are therefore synced here, where it is free,
before RocksDB syncs the same file once more, which is then quick; and threads that wait for the lock wait shorter
(SWITCH_SECONDS). Nothing that RocksDB gives out lives longer than a call, but for snapshots: whatever lives keeps the
folder locked even after it is closed.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, Final, cast
from weakref import finalize

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    Checkpoint,
    DbClosedError,
    DBCompactionStyle,
    DBCompressionType,
    IngestExternalFileOptions,
    Options,
    Rdict,
    RdictIter,
    ReadOptions,
)

from mmsb.kernels.table_files import filters
from mmsb.kernels.table_files.blocks import BLOCK_BYTES
from mmsb.schemas.errors import CorruptState, EnvironmentFailed, InvalidValue
from mmsb.state.store import Row, Run, Snapshot
from mmsb.streams.store.columns import columns_of
from mmsb.streams.store.faults import explained
from mmsb.streams.store.table_file import TableFile
from mmsb.streams.store.table_tail import new_session

INGESTED: Final = "rows.ingested"
"""The file that rows are written to before RocksDB has them; a name that RocksDB itself does not use."""

CACHE_BYTES: Final = 32 << 20
"""Blocks, filters and indexes of files in memory, for each store: pages are kept elsewhere, so it need not be large."""

OPEN_FILES_MAX: Final = 256  # for each store; a process may often have 1,024 in all
BACKGROUND_JOBS: Final = 2
LOG_BYTES_MAX: Final = 1 << 20  # of RocksDB's own notes, of which two files are kept
SWITCH_SECONDS: Final = 0.0005  # how long a thread may go on while another waits: 5 ms, as it is, would be seen

_READ_AT_ONCE: Final = 256  # keys of one call, which frees the interpreter's lock
_ROWS_AT_ONCE: Final = 512  # of one iterator: afterwards another is made, so that none outlives a call
_CURRENT: Final = "CURRENT"
_OPENERS_OWN: Final = ("rocksdict-config.json", "LOCK", "LOG")  # written by whoever opens a store


class RocksStore:
    """Implements mmsb.state.store.Store."""

    def __init__(self, folder: Path) -> None:
        """Open it, or make it in a folder that exists."""
        self._folder = folder
        self._failure: str | None = None
        self._snapshots: set[RocksSnapshot] = set()
        _clear(folder)
        self._options = _options(CACHE_BYTES)
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
        with explained(folder, "open the store in it", written=(folder / _CURRENT).exists()):
            self._rows = Rdict(str(folder), self._options)

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with explained(self._folder, f"read {len(keys)} rows"):
            return _read(self._rows, keys)

    def rows(self, first: bytes, stop: bytes) -> Iterator[Row]:
        return _rows_of(self._folder, lambda: self._rows.iter(_once()), first, stop)

    def ingest(self, rows: Iterable[Row | Run]) -> int:
        if self._failure is not None:
            raise EnvironmentFailed(self._failure)
        remaining = iter(rows)
        head = list(islice(remaining, 1))
        if not head:
            return 0
        try:
            with explained(self._folder, "write rows into it"):
                return self._ingest(chain(head, remaining))
        except BaseException as error:
            self._failure = f"{self._folder}: the store takes nothing more since this happened: {error}"
            raise

    def snapshot(self) -> Snapshot:
        snapshot = RocksSnapshot(self._folder, self._rows, self._snapshots.discard)
        self._snapshots.add(snapshot)
        return snapshot

    def checkpoint(self, folder: Path) -> None:
        with explained(folder, "put a checkpoint into it"):
            Checkpoint(self._rows).create_checkpoint(str(folder))

    def close(self) -> None:
        """Close it; again is nothing. Snapshots that are still open are closed first."""
        for snapshot in list(self._snapshots):
            snapshot.close()
        self._failure = self._failure or f"{self._folder}: the store is closed; open it again"
        with suppress(DbClosedError), explained(self._folder, "close the store in it"):
            self._rows.close()

    def _ingest(self, pieces: Iterable[Row | Run]) -> int:
        path = self._folder / INGESTED
        table = TableFile(path, new_session())
        try:
            for rows in columns_of(pieces):
                table.add(rows)
            size = table.finish()
        finally:
            table.close()
        moving = IngestExternalFileOptions()
        moving.set_move_files(True)
        self._rows.ingest_external_file([str(path)], moving)
        return size


class RocksSnapshot:
    """Implements mmsb.state.store.Snapshot: a moment of a store, which an iterator keeps.

    RocksDB has snapshots, but what rocksdict 0.3.29 iterates over under that name is the present.
    """

    def __init__(self, folder: Path, rows: Rdict, closed: "Callable[[RocksSnapshot], None]") -> None:
        self._folder = folder
        self._closed = closed
        self._iterator: RdictIter | None = rows.iter()

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with explained(self._folder, f"read {len(keys)} rows"):
            return [_found(self._open(), key) for key in keys]  # named, it would live in the traceback of what fails

    def rows(self, first: bytes, stop: bytes) -> Iterator[Row]:
        return _rows_of(self._folder, self._open, first, stop)

    def close(self) -> None:
        self._iterator = None
        self._closed(self)

    def _open(self) -> RdictIter:
        if self._iterator is None:
            raise InvalidValue(f"{self._folder}: this snapshot is closed; take another")
        return self._iterator


class RocksCheckpoint:
    """Implements mmsb.state.store.Snapshot: a store's folder that nobody writes, nor does this.

    rocksdict writes its settings wherever it opens something, read-only or not. So it is shown links to the files, in
    a folder elsewhere that is removed in the end.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not (folder / _CURRENT).exists():  # rocksdict would make the folder
            raise CorruptState(f"{folder}: expected a checkpoint's rows, found no {_CURRENT}; name another checkpoint")
        with explained(folder, "open the store in it", written=True):
            self._shown = _links_to(folder)
        self._remove = finalize(self, rmtree, self._shown, ignore_errors=True)
        with explained(folder, "open the store in it", written=True, shown=self._shown):
            self._rows = Rdict(str(self._shown), _options(CACHE_BYTES), access_type=AccessType.read_only(False))

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with explained(self._folder, f"read {len(keys)} rows", written=True, shown=self._shown):
            return _read(self._rows, keys)

    def rows(self, first: bytes, stop: bytes) -> Iterator[Row]:
        return _rows_of(self._folder, self._rows.iter, first, stop, self._shown)

    def close(self) -> None:
        with suppress(DbClosedError):
            self._rows.close()
        self._remove()


def _options(cache_bytes: int) -> Options:
    """They are not in the folder in a form that would be used again, so every opening gives all of them."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_compression_type(DBCompressionType.none())
    options.set_block_based_table_factory(_blocks(cache_bytes))
    options.set_compaction_style(DBCompactionStyle.universal())
    options.set_max_background_jobs(BACKGROUND_JOBS)
    options.set_bytes_per_sync(1 << 20)  # of compactions: small syncs, so that none of ours waits for a large one
    options.set_max_open_files(OPEN_FILES_MAX)
    options.set_max_log_file_size(LOG_BYTES_MAX)
    options.set_keep_log_file_num(2)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    return options


def _blocks(cache_bytes: int) -> BlockBasedOptions:
    blocks = BlockBasedOptions()
    blocks.set_block_size(BLOCK_BYTES)
    blocks.set_bloom_filter(filters.BITS, False)
    blocks.set_block_cache(Cache(cache_bytes))
    blocks.set_cache_index_and_filter_blocks(True)
    blocks.set_format_version(5)
    return blocks


def _clear(folder: Path) -> None:
    """Remove rows that were never taken over; refuse what RocksDB would take for nothing and make empty."""
    with explained(folder, "look what is in it"):
        names = os.listdir(folder)
        if INGESTED in names:
            (folder / INGESTED).unlink()
    tables = [name for name in names if name.endswith(".sst")]
    if tables and _CURRENT not in names:
        raise CorruptState(
            f"{folder}: expected {_CURRENT} beside {len(tables)} files of rows, found none: something removed it; "
            "stop, and restore the folder from a good copy"
        )


def _links_to(folder: Path) -> Path:
    shown = Path(mkdtemp(prefix="mmsb-rows-"))
    for name in os.listdir(folder):
        if name not in _OPENERS_OWN:
            (shown / name).symlink_to(folder.absolute() / name)
    return shown


def _read(rows: Rdict, keys: Sequence[bytes]) -> list[bytes | None]:
    found: list[bytes | None] = []
    for at in range(0, len(keys), _READ_AT_ONCE):
        part: Any = list(keys[at : at + _READ_AT_ONCE])
        found += cast(list[bytes | None], rows.get(part))
    return found


def _once() -> ReadOptions:
    """What is read from end to end is not asked for again soon: the cache is for what is."""
    options: Any = ReadOptions()  # its stub says that fill_cache takes nothing
    options.fill_cache(False)
    return cast(ReadOptions, options)


def _found(at: RdictIter, key: bytes) -> bytes | None:
    at.seek(key)
    if at.valid() and at.key() == key:
        return cast(bytes, at.value())
    at.status()
    return None


def _rows_of(
    folder: Path, begin: Callable[[], RdictIter], first: bytes, stop: bytes, shown: Path | None = None
) -> Iterator[Row]:
    while True:
        with explained(folder, f"read rows from {first.hex()} to {stop.hex()}", written=True, shown=shown):
            part = _part(begin(), first, stop)
        yield from part
        if len(part) < _ROWS_AT_ONCE:
            return
        first = part[-1][0] + b"\0"


def _part(at: RdictIter, first: bytes, stop: bytes) -> list[Row]:
    """Rows by hand: rocksdict's `items()` ends at a damaged block as if there were no more rows."""
    part: list[Row] = []
    at.seek(first)
    while len(part) < _ROWS_AT_ONCE and at.valid() and (key := at.key()) < stop:
        part.append((key, at.value()))
        at.next()
    at.status()
    return part

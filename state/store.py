"""Where a partition's state has its durable home: rows of bytes under keys, of which a flush replaces many at once.

    META                        one row: the fold's standing, layouts, how pages are grouped (mmsb.state.home.meta)
    IDS     chunk               remembered ids, by the offsets that they were first seen at
    MARKS   chunk               marks of sources, in the order of their appearance
    PAGES   type, depth, bucket pages whose keys' hashes begin with the same bits

Keys sort as they are written here, so that what belongs together lies together (docs/formats.md, section 18).
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from mmsb.kernels.memory import Words

Row = tuple[bytes, bytes]
"""A key and what stands under it; an empty value is no row."""


@dataclass(frozen=True)
class Run:
    """Rows in columns, so that nobody has to make objects of each; their keys rise. There is at least one."""

    keys: Any
    """A u8 matrix: a key in each row."""
    words: Words
    starts: Any
    """What stands under key i are the words from `starts[i]` up to `starts[i + 1]`."""

    def __len__(self) -> int:
        return len(self.keys)

    def key(self, number: int) -> bytes:
        found: bytes = self.keys[number].tobytes()
        return found

    def part(self, first: int, stop: int) -> "Run":
        return Run(self.keys[first:stop], self.words, self.starts[first : stop + 1])

    def rows(self) -> Iterator[Row]:
        bounds = self.starts.tolist()
        for number in range(len(self)):
            yield self.key(number), self.words[bounds[number] : bounds[number + 1]].tobytes()


def each_row(pieces: Iterable[Row | Run]) -> Iterator[Row]:
    """One after another, for whoever has few."""
    for piece in pieces:
        if isinstance(piece, Run):
            yield from piece.rows()
        else:
            yield piece


META: Final = b"\x00"
IDS: Final = b"\x01"
MARKS: Final = b"\x02"
PAGES: Final = b"\x10"

_CHUNK = struct.Struct(">sQ")
_BUCKET = struct.Struct(">sQBI")  # PAGES, type id, depth, the hash's first bits, left-aligned in 32
_HASH_BITS: Final = 32


class Store(Protocol):
    """One thread uses it at a time, except that `read` may run beside anything but `close`."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What stands under each key; None where there is no row."""
        ...

    def rows(self, first: bytes, stop: bytes) -> Iterator[Row]:
        """Rows from one key up to another, in the order of their keys."""
        ...

    def ingest(self, rows: Iterable[Row | Run]) -> int:
        """Put rows, whose keys rise; gives how many bytes. An empty value takes a row away.

        When it returns all of them are durable; after a crash before that all of them are there, or none.
        """
        ...

    def snapshot(self) -> "Snapshot":
        """The rows as they are now, whatever is ingested later. To be closed before the store."""
        ...

    def checkpoint(self, folder: Path) -> None:
        """Put all rows, as they are now, into a folder that does not exist: a store of its own. Costs no copying."""
        ...

    def close(self) -> None: ...


class Snapshot(Protocol):
    """Rows that nobody changes any more: a moment of a store, or a checkpoint."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What stands under each key; None where there is no row."""
        ...

    def rows(self, first: bytes, stop: bytes) -> Iterator[Row]:
        """Rows from one key up to another, in the order of their keys."""
        ...

    def close(self) -> None: ...


class NoRows:
    """A Snapshot of nothing."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [None] * len(keys)

    def rows(self, first: bytes, stop: bytes) -> Iterator[Row]:
        return iter(())

    def close(self) -> None:
        """There is nothing to give back."""


def chunk_key(kind: bytes, number: int) -> bytes:
    """Of a chunk of IDS or MARKS."""
    return _CHUNK.pack(kind, number)


def bucket_key(type_id: int, depth: int, bucket: int) -> bytes:
    """Of the bucket with this number among 2^depth."""
    return _BUCKET.pack(PAGES, type_id, depth, bucket << (_HASH_BITS - depth))


def bucket_keys(type_id: int, depth: int, buckets: Any) -> Any:
    """Of several buckets, as a Run has them."""
    bits = (buckets << (_HASH_BITS - depth)).astype(">u4")
    keys = np.empty((len(buckets), _BUCKET.size), np.uint8)
    keys[:, : -bits.itemsize] = np.frombuffer(_BUCKET.pack(PAGES, type_id, depth, 0)[: -bits.itemsize], np.uint8)
    keys[:, -bits.itemsize :] = bits.view(np.uint8).reshape(-1, bits.itemsize)
    return keys


def bucket_place(key: bytes) -> tuple[int, int]:
    """Depth and number of the bucket that a key is of."""
    _, _, depth, bits = _BUCKET.unpack(key)
    return depth, bits >> (_HASH_BITS - depth)


def bucket_range(type_id: int) -> tuple[bytes, bytes]:
    """All rows of one page type: between these keys."""
    return _BUCKET.pack(PAGES, type_id, 0, 0), _BUCKET.pack(PAGES, type_id, 255, 0)

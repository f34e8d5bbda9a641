"""Sorted files for tests: read entry by entry, as RocksDB's documents say that they are made."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from mmsb.state.store import Row

FOOTER: Final = 53
TRAILER: Final = 5
REMOVED: Final = 0


class Block(NamedTuple):
    at: int
    data: bytes

    @property
    def places(self) -> list[int]:
        count = int.from_bytes(self.data[-4:], "little")
        start = len(self.data) - 4 - 4 * count
        return [int.from_bytes(self.data[at : at + 4], "little") for at in range(start, len(self.data) - 4, 4)]


class Table:
    """One file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.footer = data[-FOOTER:]
        places_at, places_size, at = *_two_numbers(self.footer, 1), 0
        self.named = dict(_entries(self._block(places_at, places_size)))
        at = _skip(self.footer, 1, 2)
        self.index = self._block(*_two_numbers(self.footer, at))
        self.properties = dict(_entries(self._block(*_two_numbers(self.named[b"rocksdb.properties"], 0))))

    def _block(self, at: int, size: int) -> Block:
        assert self.data[at + size] == 0, "it is not compressed"
        return Block(at, self.data[at : at + size])

    def blocks(self) -> Iterator[tuple[bytes, Block]]:
        """Each with the key that the index has of it."""
        data, at = self.index.data, 0
        for _ in self.index.places:
            shared, size, at = *_two_numbers(data, at), _skip(data, at, 2)
            assert shared == 0, "every entry is one to begin at"
            key, at = data[at : at + size], at + size
            yield key, self._block(*_two_numbers(data, at))
            at = _skip(data, at, 2)

    def rows(self) -> list[Row]:
        return [
            (key[:-8], value if key[-8] != REMOVED else b"")
            for _, block in self.blocks()
            for key, value in _entries(block)
        ]


def rows_in(data: bytes) -> list[Row]:
    return Table(data).rows()


def _entries(block: Block) -> Iterator[tuple[bytes, bytes]]:
    data, at, key = block.data, 0, b""
    stop = len(data) - 4 - 4 * len(block.places)
    while at < stop:
        shared, more, size = (_number(data, _skip(data, at, place))[0] for place in range(3))
        at = _skip(data, at, 3)
        key = key[:shared] + data[at : at + more]
        yield key, data[at + more : at + more + size]
        at += more + size


def _number(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte, at = data[at], at + 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at


def _skip(data: bytes, at: int, numbers: int) -> int:
    for _ in range(numbers):
        _, at = _number(data, at)
    return at


def _two_numbers(data: bytes, at: int) -> tuple[int, int]:
    first, at = _number(data, at)
    return first, _number(data, at)[0]

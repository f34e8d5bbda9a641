"""Many packed intents of one class, and record batches around them: the fast way from arrays into the log.

What stands here is byte for byte what `pack` and `encode_batch` write for one intent after another.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from mmsb.schemas.envelopes import HAS_ID, HAS_METADATA, HAS_SOURCE, HEADER, INTENT_VERSION, MAGIC
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.ids import ID_BYTES
from mmsb.schemas.layouts import IntentLayout
from mmsb.schemas.limits import BATCH_BYTES_MAX, BATCH_RECORDS_MAX
from mmsb.schemas.sources import OUTSIDE, SOURCE_BYTES
from mmsb.schemas.types import I64_MAX, I64_MIN
from mmsb.schemas.varints import encode_varint

MESSAGE_BYTES: Final = 1_048_576
"""What a broker takes as one batch unless it is told otherwise; its own default is 12 bytes more."""

_HEADER = struct.Struct(">qiibIhiqqqhii")  # a batch before its records: docs/formats.md, section 2
BATCH_HEADER_BYTES: Final = _HEADER.size
_CHECKSUM = struct.Struct(">I")
_CHECKSUM_AT: Final = 17
_CHECKED_FROM: Final = 21
_LENGTH_FROM: Final = 12
_MAGIC: Final = 2


@dataclass(frozen=True, slots=True)
class RawBatch:
    """One record batch, ready for a log, and the offsets that it takes."""

    first: int
    count: int
    data: bytes | memoryview


@dataclass(frozen=True, eq=False)
class Intents:
    """Packed intents of one class: a row of words for each, an id and a source's number for each or for none, and one
    metadata block for all."""

    layout: IntentLayout
    arguments: NDArray[np.uint64]
    ids: NDArray[np.uint64] | None = None
    metadata: bytes = b""
    sources: NDArray[np.uint64] | None = None
    """Rows of four words: which source numbers each, as a packed intent says it (docs/formats.md, section 4)."""

    def __len__(self) -> int:
        return len(self.arguments)

    def slice(self, start: int, stop: int) -> "Intents":
        """The intents with index `start` up to `stop`, over the same arrays."""
        ids, sources = (None if some is None else some[start:stop] for some in (self.ids, self.sources))
        return Intents(self.layout, self.arguments[start:stop], ids, self.metadata, sources)

    def take(self, rows: NDArray[np.int64]) -> "Intents":
        """Some of them, copied."""
        ids, sources = (None if some is None else some[rows] for some in (self.ids, self.sources))
        return Intents(self.layout, self.arguments[rows], ids, self.metadata, sources)

    def value(self, index: int) -> bytes:
        """One of them, as `pack` writes it."""
        named = (b"" if some is None else some[index].tobytes() for some in (self.ids, self.sources))
        return b"".join((self._head, *named, self.arguments[index].tobytes(), self.metadata))

    @cached_property
    def _head(self) -> bytes:
        numbered = self.sources is not None
        parts = HAS_ID * (self.ids is not None) | HAS_SOURCE * numbered | HAS_METADATA * bool(self.metadata)
        return HEADER.pack(MAGIC, INTENT_VERSION, parts, OUTSIDE * numbered, self.layout.size // 8, self.layout.type_id)

    @cached_property
    def value_bytes(self) -> int:
        """The size of each, which is the same."""
        named = ID_BYTES * (self.ids is not None) + SOURCE_BYTES * (self.sources is not None)
        return len(self._head) + named + self.layout.size + len(self.metadata)

    @cached_property
    def _named(self) -> NDArray[np.uint64]:
        """What stands between head and arguments: a row of words for each, of none if there is nothing."""
        parts = [some for some in (self.ids, self.sources) if some is not None]
        return np.empty((len(self), 0), np.uint64) if not parts else parts[0] if len(parts) == 1 else np.hstack(parts)

    def batches(self, first: int, time_ms: int, max_bytes: int = MESSAGE_BYTES) -> list[RawBatch]:
        """Record batches from offset `first` on, each as large as `max_bytes` lets it be; they lie in one buffer."""
        from mmsb.kernels.intake import batch_builder as builder  # loads Numba: for who asks for batches

        _check_place(first, len(self), time_ms)
        limit = min(max_bytes, BATCH_BYTES_MAX)
        most = builder.count_within(limit, self.value_bytes)
        if most == 0:
            raise InvalidValue(
                f"{self.layout.name}: expected batches of up to {limit} bytes, found an intent that needs one of "
                f"{builder.size_of(1, self.value_bytes)}; raise the limit (a broker's is called message.max.bytes)"
            )
        counts = [min(most, len(self) - start) for start in range(0, len(self), most)]
        sizes = [builder.size_of(count, self.value_bytes) for count in counts]
        buffer = np.empty(sum(sizes), np.uint8)
        data = memoryview(cast(Any, buffer))
        batches: list[RawBatch] = []
        at = row = 0
        metadata = np.frombuffer(self.metadata, np.uint64)
        for count, size in zip(counts, sizes, strict=True):
            builder.write_batch(buffer, at, count, self._head, row, self._named, self.arguments, metadata)
            seal(data[at : at + size], first + row, count, time_ms)
            batches.append(RawBatch(first + row, count, data[at : at + size].toreadonly()))
            at, row = at + size, row + count
        return batches


def batch_of(values: Sequence[bytes], first: int, time_ms: int) -> bytes:
    """One batch of ready values, all of one time: what single submits have brought together."""
    if not 1 <= len(values) <= BATCH_RECORDS_MAX:
        raise InvalidValue(f"a batch holds 1 to {BATCH_RECORDS_MAX} records, found {len(values)}")
    _check_place(first, len(values), time_ms)
    parts: list[bytes] = [bytes(_HEADER.size)]
    around: dict[tuple[int, int], tuple[bytes, bytes]] = {}  # an index: what stands before and behind it
    for index, value in enumerate(values):
        number, size = encode_varint(index), len(value)
        kind = len(number), size
        if kind not in around:
            behind = b"\x01" + encode_varint(size)  # no key
            around[kind] = encode_varint(3 + len(number) + len(behind) + size) + b"\x00\x00", behind
        before, behind = around[kind]
        parts += (before, number, behind, value, b"\x00")
    data = bytearray().join(parts)
    if len(data) > BATCH_BYTES_MAX:
        raise InvalidValue(f"a batch has at most {BATCH_BYTES_MAX} bytes, found {len(data)}; write several")
    seal(memoryview(data), first, len(values), time_ms)
    return bytes(data)


def seal(data: memoryview, first: int, count: int, time: int) -> None:
    """Write the header of a batch that is all of `data`; its records are there already."""
    length = len(data) - _LENGTH_FROM
    _HEADER.pack_into(data, 0, first, length, 0, _MAGIC, 0, 0, count - 1, time, time, -1, -1, -1, count)
    _CHECKSUM.pack_into(data, _CHECKSUM_AT, crc32c(data[_CHECKED_FROM:]))


def _check_place(first: int, count: int, time_ms: int) -> None:
    if not 0 <= first <= I64_MAX - max(count - 1, 0):
        raise InvalidValue(f"expected offsets from 0 to {I64_MAX}, found {first} and {count - 1} more")
    if not I64_MIN <= time_ms <= I64_MAX:
        raise InvalidValue(f"expected a time in milliseconds within 64 bits, found {time_ms}")

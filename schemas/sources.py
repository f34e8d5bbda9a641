"""Who numbers an intent so that it happens once: another partition (a follow-up) or something outside.

One content, two forms: a row in the TLog's blocks and a part of a packed intent (docs/formats.md, sections 10 and 4).
"""

import struct
from dataclasses import dataclass
from typing import Final, Literal, TypeGuard

from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.ids import ID_BYTES
from mmsb.schemas.types import I64_MAX

FOLLOW_UP: Final = 1
OUTSIDE: Final = 2
SOURCE_BYTES: Final = 32
HOPS_BITS_MAX: Final = 2**32 - 1  # what the format carries; what may happen is `hops_max` of the application

Kind = Literal[1, 2]

_ROW = struct.Struct("<16sqIB3s")
_PART = struct.Struct("<16sqII")


@dataclass(frozen=True, slots=True)
class Source:
    """`source` is 16 bytes (mmsb.schemas.ids), `number` counts up from 1."""

    kind: Kind
    source: bytes
    number: int
    hops: int

    def __post_init__(self) -> None:
        if not is_kind(self.kind):
            raise InvalidValue(f"kind: expected 1 (a follow-up) or 2 (outside), found {self.kind}")
        if len(self.source) != ID_BYTES:
            raise InvalidValue(f"source: expected {ID_BYTES} bytes, found {len(self.source)}")
        if not 1 <= self.number <= I64_MAX:
            raise InvalidValue(f"number: expected 1 to {I64_MAX}, found {self.number}")
        least, most = (1, HOPS_BITS_MAX) if self.kind == FOLLOW_UP else (0, 0)
        if not least <= self.hops <= most:
            raise InvalidValue(f"hops: expected {least} to {most}, found {self.hops}")

    def pack(self) -> bytes:
        """The row in a block."""
        return _ROW.pack(self.source, self.number, self.hops, self.kind, bytes(3))

    def pack_part(self) -> bytes:
        """The part of a packed intent, which has the kind elsewhere."""
        return _PART.pack(self.source, self.number, self.hops, 0)


def is_kind(kind: int) -> TypeGuard[Kind]:
    return kind in (FOLLOW_UP, OUTSIDE)


def unpack_source(row: bytes) -> Source:
    """Read one row of a block."""
    if len(row) != SOURCE_BYTES:
        raise MalformedBytes("source", f"{SOURCE_BYTES} bytes", len(row), 0)
    source, number, hops, kind, zero = _ROW.unpack(row)
    if any(zero):
        raise MalformedBytes("source", "zeros", zero.hex(), SOURCE_BYTES - 3)
    return _source(kind, source, number, hops)


def unpack_source_part(kind: int, part: bytes) -> Source:
    """Read the part of a packed intent."""
    if len(part) != SOURCE_BYTES:
        raise MalformedBytes("source", f"{SOURCE_BYTES} bytes", len(part), 0)
    source, number, hops, zero = _PART.unpack(part)
    if zero:
        raise MalformedBytes("source", "zero", zero, SOURCE_BYTES - 4)
    return _source(kind, source, number, hops)


def _source(kind: int, source: bytes, number: int, hops: int) -> Source:
    if not is_kind(kind):
        raise MalformedBytes("source", "kind 1 or 2", kind, 0)
    try:
        return Source(kind, source, number, hops)
    except InvalidValue as error:
        raise MalformedBytes("source", "a source", error, 0) from None

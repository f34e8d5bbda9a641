"""What all rows belong to: the fold's standing at an accepted boundary, and the small parts of the state.

docs/formats.md, section 18. It is written with every flush, so rows and standing are always those of one moment.
"""

import struct
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from mmsb.kernels.digest import Digest
from mmsb.schemas.descriptors import Descriptor, unpack_descriptor
from mmsb.schemas.errors import CorruptState, MmsbError, NewerFormat
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.limits import HOPS_MAX
from mmsb.schemas.tlog.claims import Claim, unpack_claim
from mmsb.schemas.tlog.genesis import Genesis, unpack_genesis

MAGIC: Final = b"MMH"
VERSION: Final = 1
HASH_BYTES: Final = 16

_HEAD = struct.Struct("<3sB4x")
_FOLD = struct.Struct("<q32s32sqq?7x")  # settled, head, head before, accepted at, next, repeats
_BLOCK = struct.Struct("<?7xqqQ")  # whether there is a last block; first, last, checksum
_STATE = struct.Struct("<qQQqqqqQ")  # clock, digest, window's span, offsets whose ids are in rows, marks
_COUNTS = struct.Struct("<4Q")  # follow-up blocks, targets, types, zero
_OFFSET = struct.Struct("<q")
_SENT = struct.Struct("<qq")  # target, count
_TYPE = struct.Struct("<QqQQ")  # type id, pages, depth, how many depths have rows
_ROWS = struct.Struct("<qq")  # depth, rows
_PART = struct.Struct("<Q")  # the size of a part that follows, which is padded


@dataclass(frozen=True)
class Standing:
    """What the fold knows at an accepted boundary."""

    settled: int
    head: bytes
    head_prev: bytes
    accepted_at: int
    next: int
    repeats: bool
    claim: Claim | None
    last_block: tuple[int, int, int] | None
    """First and last offset, and the checksum of the intents that it settled."""
    follow_up_blocks: tuple[int, ...]
    """TLog offsets of blocks whose follow-ups may not all be held durably by the partitions that they are for."""


@dataclass(frozen=True)
class StoredType:
    """How the pages of a type lie in rows: how many there are of each depth."""

    type_id: int
    pages: int
    depth: int
    rows: dict[int, int]


@dataclass(frozen=True)
class Contents:
    """What the state has besides pages, ids and marks, and how these lie in rows."""

    genesis: Genesis
    layouts: tuple[PageLayout, ...]
    clock: int
    digest: Digest
    span: tuple[int, int]
    id_rows: tuple[int, int]
    marks: int
    sent: dict[int, int]
    types: tuple[StoredType, ...]


@dataclass(frozen=True)
class Meta:
    """All of it."""

    standing: Standing
    contents: Contents

    def pack(self) -> bytes:
        s, c = self.standing, self.contents
        parts = [_HEAD.pack(MAGIC, VERSION)]
        parts.append(_FOLD.pack(s.settled, s.head, s.head_prev, s.accepted_at, s.next, s.repeats))
        parts.append(_BLOCK.pack(s.last_block is not None, *(s.last_block or (0, 0, 0))))
        parts.append(_STATE.pack(c.clock, c.digest.a, c.digest.b, *c.span, *c.id_rows, c.marks))
        parts.append(_COUNTS.pack(len(s.follow_up_blocks), len(c.sent), len(c.types), 0))
        parts += [_OFFSET.pack(offset) for offset in s.follow_up_blocks]
        parts += [_SENT.pack(*row) for row in sorted(c.sent.items())]
        for stored in sorted(c.types, key=lambda stored: stored.type_id):
            parts.append(_TYPE.pack(stored.type_id, stored.pages, stored.depth, len(stored.rows)))
            parts += [_ROWS.pack(*row) for row in sorted(stored.rows.items())]
        layouts = Descriptor(c.genesis.app, HOPS_MAX, c.layouts, (), ())
        for part in (c.genesis.pack(), s.claim.pack() if s.claim else b"", layouts.pack()):
            parts += [_PART.pack(len(part)), part, bytes(-len(part) % 8)]
        row = b"".join(parts)
        return row + blake3(row).digest(HASH_BYTES)


def unpack_meta(data: bytes) -> Meta:
    """Read a row that is all of `data`."""
    if data[:3] != MAGIC or len(data) < _HEAD.size + HASH_BYTES:
        raise _wrong("the magic MMH", data[:3])
    if data[3] != VERSION:
        raise NewerFormat(
            f"store: expected version {VERSION} of its meta row, found {data[3]}; use its writer's release"
        )
    row, found = data[:-HASH_BYTES], data[-HASH_BYTES:]
    if blake3(row).digest(HASH_BYTES) != found:
        raise _wrong("content that its hash fits", found.hex())
    try:
        return _Reader(row).meta()
    except (struct.error, MmsbError) as error:  # the hash fits, so its writer was wrong
        raise _wrong("a meta row", error) from error


def _wrong(expected: str, found: object) -> CorruptState:
    return CorruptState(f"store, meta row: expected {expected}, found {found!s}; restore a checkpoint")


class _Reader:
    def __init__(self, row: bytes) -> None:
        self._row = row
        self._at = _HEAD.size

    def _take(self, what: struct.Struct) -> tuple[int, ...]:
        found = what.unpack_from(self._row, self._at)
        self._at += what.size
        return found

    def _part(self) -> bytes:
        (size,) = self._take(_PART)
        start, self._at = self._at, self._at + size + -size % 8
        return self._row[start : start + size]

    def meta(self) -> Meta:
        settled, head, head_prev, accepted_at, next_, repeats = _FOLD.unpack_from(self._row, self._at)
        self._at += _FOLD.size
        has_block, *block = self._take(_BLOCK)
        clock, a, b, floor, end, ids_first, ids_end, marks = self._take(_STATE)
        block_count, sent_count, type_count, _ = self._take(_COUNTS)
        follow_up_blocks = tuple(self._take(_OFFSET)[0] for _ in range(block_count))
        sent = dict(self._pair(_SENT) for _ in range(sent_count))
        types = tuple(self._type() for _ in range(type_count))
        genesis, claim, layouts = unpack_genesis(self._part()), self._part(), unpack_descriptor(self._part()).pages
        standing = Standing(
            settled, head, head_prev, accepted_at, next_, repeats, unpack_claim(claim) if claim else None,
            (block[0], block[1], block[2]) if has_block else None, follow_up_blocks,
        )  # fmt: skip
        contents = Contents(
            genesis, layouts, clock, Digest(a, b), (floor, end), (ids_first, ids_end), marks, sent, types
        )
        return Meta(standing, contents)

    def _pair(self, what: struct.Struct) -> tuple[int, int]:
        first, second = self._take(what)
        return first, second

    def _type(self) -> StoredType:
        type_id, pages, depth, count = self._take(_TYPE)
        return StoredType(type_id, pages, depth, dict(self._pair(_ROWS) for _ in range(count)))

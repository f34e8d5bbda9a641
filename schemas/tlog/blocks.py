"""A block: the outcomes of consecutive intents, their deltas and follow-ups, and the digest after them.

A quarantine is a block that settles one offset without looking into it. The header can be read alone, because it
decides whether the rest is looked at.
"""

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from mmsb.schemas.errors import MalformedBytes
from mmsb.schemas.limits import BLOCK_BYTES_MAX, BLOCK_INTENTS_MAX
from mmsb.schemas.rejections import ROW_BYTES, Rejection
from mmsb.schemas.sources import SOURCE_BYTES, Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.records import MAGIC, TlogKind, peek
from mmsb.schemas.types import padded

FIXED: Final = struct.Struct("<4sHH16s32sqqq16sQ")  # to the checksum of the intents; shared with migrate records
COUNTS: Final = struct.Struct("<12I")
HEADER_BYTES: Final = FIXED.size + COUNTS.size
CLOCK_ROW: Final = struct.Struct("<IIq")
DELTA_ROW: Final = struct.Struct("<IHBBqII")
FOLLOW_UP_ROW: Final = struct.Struct("<IIQII")
ID_BYTES: Final = 16
HAS_ID: Final = 8
HAS_SOURCE: Final = 16
HAS_METADATA: Final = 32
STATUS_BITS: Final = 7
NO_TYPE: Final = 0xFFFF

_FIXED_PARTS: Final = {  # before what varies in size; a record that is shorter has no header
    TlogKind.BLOCK: HEADER_BYTES,
    TlogKind.QUARANTINE: HEADER_BYTES,
    TlogKind.MIGRATE: FIXED.size + 8,
}

assert (FIXED.size, HEADER_BYTES, DELTA_ROW.size, FOLLOW_UP_ROW.size) == (104, 152, 24, 24)


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """Who wrote it, what it follows, what it settles, and the state after it."""

    reign: bytes
    prev: bytes
    first: int
    last: int
    clock: int
    digest: bytes
    checksum: int
    kind: TlogKind = TlogKind.BLOCK

    def pack(self) -> bytes:
        settles = (self.first, self.last, self.clock)
        return FIXED.pack(MAGIC, self.kind, 0, self.reign, self.prev, *settles, self.digest, self.checksum)


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """What became of one offset. `first_offset` is set for duplicates, `rejection` for rejected ones."""

    status: Status
    type_id: int | None = None
    id: bytes | None = None
    source: Source | None = None
    metadata: bytes = b""
    first_offset: int | None = None
    rejection: Rejection | None = None


@dataclass(frozen=True, slots=True)
class DeltaRow:
    """A delta of the intent at `index` (counted from the block's first offset)."""

    index: int
    type_id: int
    key: bytes
    base: int
    kind: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class FollowUpRow:
    """A follow-up of the intent at `index`: where it goes, its number among those, and the packed intent."""

    index: int
    target: int
    number: int
    intent: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Block:
    """`rises` are (index, clock) wherever the partition clock rose."""

    header: BlockHeader
    outcomes: Sequence[OutcomeRow]
    rises: Sequence[tuple[int, int]]
    deltas: Sequence[DeltaRow]
    follow_ups: Sequence[FollowUpRow]

    def __repr__(self) -> str:
        return f"Block({summary(self.header.first, self.header.last, self.outcomes)})"

    def pack(self) -> bytes:
        self._check()
        types = sorted(self._types())
        number = {type_id: index for index, type_id in enumerate(types)}
        flags = bytes(_flags(outcome) for outcome in self.outcomes)
        known = [NO_TYPE if o.type_id is None else number[o.type_id] for o in self.outcomes]
        sections = [
            struct.pack(f"<{len(types)}Q", *types),
            _pad(flags),
            _pad(struct.pack(f"<{len(known)}H", *known)),
            b"".join(CLOCK_ROW.pack(index, 0, clock) for index, clock in self.rises),
            b"".join(o.id for o in self.outcomes if o.id is not None),
            b"".join(o.source.pack() for o in self.outcomes if o.source),
            b"".join(
                o.first_offset.to_bytes(8, "little", signed=True) for o in self.outcomes if o.first_offset is not None
            ),
            b"".join(o.rejection.pack() for o in self.outcomes if o.rejection),
            b"".join(_delta_row(delta, number) for delta in self.deltas),
            b"".join(_follow_up_row(follow_up) for follow_up in self.follow_ups),
            b"".join(o.metadata for o in self.outcomes),
            b"".join(delta.key + delta.payload for delta in self.deltas),
            b"".join(follow_up.intent for follow_up in self.follow_ups),
        ]
        sizes = [len(section) for section in sections]
        counts = (
            len(types),
            len(self.rises),
            sizes[4] // ID_BYTES,
            sizes[5] // SOURCE_BYTES,
            sizes[6] // 8,
            sizes[7] // ROW_BYTES,
            len(self.deltas),
            len(self.follow_ups),
            *sizes[10:],
            0,
        )
        data = b"".join([self.header.pack(), COUNTS.pack(*counts), *sections])
        assert len(data) <= BLOCK_BYTES_MAX, "the machine cuts blocks before the limit"
        return data

    def _check(self) -> None:
        """What everybody would stop at for ever must not be written."""
        count = self.header.last - self.header.first + 1
        assert len(self.outcomes) == count <= BLOCK_INTENTS_MAX, "an outcome for each offset"
        for rows in ([index for index, _ in self.rises], [d.index for d in self.deltas]):
            assert all(one <= other for one, other in pairwise(rows)), "indexes rise"
        assert all(one.index <= other.index for one, other in pairwise(self.follow_ups)), "indexes rise"
        quarantined = [outcome.status == Status.QUARANTINED for outcome in self.outcomes]
        assert quarantined == [self.header.kind == TlogKind.QUARANTINE] * count, "a quarantine has that status alone"

    def _types(self) -> set[int]:
        named = {outcome.type_id for outcome in self.outcomes if outcome.type_id is not None}
        return named | {delta.type_id for delta in self.deltas}


def summary(first: int, last: int, outcomes: Sequence[OutcomeRow]) -> str:
    """For people: the offsets, and how many of them settled how."""
    counts = Counter(outcome.status.name.lower() for outcome in outcomes)
    return f"offsets {first} to {last}: {', '.join(f'{count} {name}' for name, count in counts.items())}"


def _pad(data: bytes) -> bytes:
    return data.ljust(padded(len(data)), b"\x00")


def _flags(outcome: OutcomeRow) -> int:
    assert (outcome.first_offset is not None) == (outcome.status == Status.DUPLICATE)
    assert (outcome.rejection is not None) == (outcome.status == Status.REJECTED)
    parts = HAS_ID * (outcome.id is not None) | HAS_SOURCE * (outcome.source is not None)
    return outcome.status | parts | HAS_METADATA * bool(outcome.metadata)


def _delta_row(delta: DeltaRow, number: dict[int, int]) -> bytes:
    sizes = (len(delta.key), len(delta.payload))
    return DELTA_ROW.pack(delta.index, number[delta.type_id], delta.kind, 0, delta.base, *sizes)


def _follow_up_row(follow_up: FollowUpRow) -> bytes:
    return FOLLOW_UP_ROW.pack(follow_up.index, follow_up.target, follow_up.number, len(follow_up.intent), 0)


@dataclass(slots=True)
class BlockTally:
    """How large a block has become, so that it can be cut before it is too large."""

    types: set[int]
    intents: int = 0
    rest: int = 0

    def grown(
        self, outcome: OutcomeRow, rises: bool, deltas: Sequence[DeltaRow], sent: Sequence[FollowUpRow]
    ) -> "BlockTally":
        """The tally with one more outcome."""
        named = {delta.type_id for delta in deltas}
        if outcome.type_id is not None:
            named.add(outcome.type_id)
        rest = (
            CLOCK_ROW.size * rises + ID_BYTES * (outcome.id is not None) + SOURCE_BYTES * (outcome.source is not None)
        )
        rest += 8 * (outcome.first_offset is not None) + ROW_BYTES * (outcome.rejection is not None)
        rest += len(outcome.metadata)
        rest += sum(DELTA_ROW.size + len(delta.key) + len(delta.payload) for delta in deltas)
        rest += sum(FOLLOW_UP_ROW.size + len(follow_up.intent) for follow_up in sent)
        types = self.types if named <= self.types else self.types | named
        return BlockTally(types, self.intents + 1, self.rest + rest)

    @property
    def size(self) -> int:
        return HEADER_BYTES + 8 * len(self.types) + padded(self.intents) + padded(2 * self.intents) + self.rest

    @property
    def fits(self) -> bool:
        return self.intents <= BLOCK_INTENTS_MAX and self.size <= BLOCK_BYTES_MAX


def unpack_block_header(value: bytes) -> BlockHeader | None:
    """The header alone, of a block, quarantine or migrate record; None if the value is shorter than its fixed part."""
    kind = peek(value)
    if kind is not None and kind not in _FIXED_PARTS:
        raise malformed("a block, quarantine or migrate", kind.name.lower(), 4)
    if kind is None or len(value) < _FIXED_PARTS[kind]:
        return None
    _, _, _, reign, prev, first, last, clock, digest, checksum = FIXED.unpack_from(value)
    return BlockHeader(reign, prev, first, last, clock, digest, checksum, kind)


def malformed(expected: str, found: object, position: int) -> MalformedBytes:
    return MalformedBytes("block", expected, found, position)
